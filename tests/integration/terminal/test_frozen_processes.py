"""The supervisor ends a frozen web server, work worker or beat, and starts it again."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from devstack.children import Child, Program
from devstack.ports import choose_port
from devstack.probes import ask
from devstack.programs import Launcher, analytics_worker, beat, web, work_worker
from devstack.supervisor import Supervisor
from tests.integration.subscriptions.feed.feed_workers import server_environment
from tests.own_servers import REPOSITORY
from tests.supervisors import wait_supervised

# Short, and long enough for a process that gets little CPU time.
HEARTBEAT_SECONDS = 3.0
START_SECONDS = 90.0
PROMISED_SECONDS = 15.0
# Of a new web server until it answers, in CPU time: wall time depends on the load of the machine.
WEB_START_SECONDS = 5.0

pytestmark = pytest.mark.django_db(transaction=True)


def launcher(logs: Path, **variables: str) -> Launcher:
    return Launcher(root=REPOSITORY, logs=logs, environment={**server_environment(), **variables})


def freeze(child: Child) -> None:
    """Stop the process and its children, as in a hung container."""
    for process in [psutil.Process(child.pid), *psutil.Process(child.pid).children()]:
        os.kill(process.pid, signal.SIGSTOP)


@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
def test_a_frozen_web_server_is_ended_and_answers_again(
    supervisor: Supervisor, reports: list[str], tmp_path: Path, server: str
) -> None:
    port = choose_port()
    program = web(launcher(tmp_path, ASGI_SERVER=server), host="127.0.0.1", port=port)
    assert program.heartbeat_seconds is not None
    frozen = supervisor.supervise(replace(program, heartbeat_seconds=HEARTBEAT_SECONDS))
    wait_supervised(supervisor, lambda: ask(f"http://127.0.0.1:{port}/login/").status == 200, seconds=START_SECONDS)

    freeze(frozen)
    frozen_at = time.monotonic()
    wait_supervised(supervisor, frozen.has_exited, seconds=START_SECONDS)
    ended_after = time.monotonic() - frozen_at
    wait_supervised(supervisor, lambda: ask(f"http://127.0.0.1:{port}/login/").status == 200, seconds=START_SECONDS)

    assert reports[0] == "web sent no heartbeat for 3 s"
    assert ended_after + (program.heartbeat_seconds - HEARTBEAT_SECONDS) < PROMISED_SECONDS - WEB_START_SECONDS
    times = [one.cpu_times() for one in psutil.Process().children() if str(port) in one.cmdline()]
    assert sum(one.user + one.system for one in times) < WEB_START_SECONDS


@pytest.mark.parametrize("make_program", [work_worker, analytics_worker, beat])
def test_a_frozen_celery_process_is_ended(
    supervisor: Supervisor, reports: list[str], tmp_path: Path, make_program: Callable[[Launcher], Program]
) -> None:
    program = make_program(launcher(tmp_path))
    assert program.heartbeat_seconds is not None
    # Beat looks at its schedule every five seconds, and sends a heartbeat each time.
    limit = HEARTBEAT_SECONDS + 5
    frozen = supervisor.supervise(replace(program, heartbeat_seconds=limit))
    # Each has sent a heartbeat by then.
    ready = {"work": b"ready.", "analytics": b"leading the computation", "beat": b"Sending due task"}[program.name]
    wait_supervised(supervisor, lambda: ready in program.log.read_bytes(), seconds=START_SECONDS)
    began_at = time.monotonic()
    wait_supervised(supervisor, lambda: time.monotonic() - began_at > 1, seconds=START_SECONDS)
    assert reports == []

    freeze(frozen)
    wait_supervised(supervisor, frozen.has_exited, seconds=START_SECONDS)

    assert reports[0] == f"{program.name} sent no heartbeat for {limit:g} s"


def test_a_web_server_that_hangs_while_it_starts_is_ended(
    supervisor: Supervisor, reports: list[str], tmp_path: Path
) -> None:
    program = web(launcher(tmp_path), host="127.0.0.1", port=choose_port())
    assert program.heartbeat_start_seconds < 1_000
    frozen = supervisor.supervise(replace(program, heartbeat_start_seconds=0.5))

    freeze(frozen)
    wait_supervised(supervisor, frozen.has_exited, seconds=START_SECONDS)

    assert reports[0] == "web sent no heartbeat for 0.5 s"
