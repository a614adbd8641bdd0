"""The status of a real process by its name: running, stopped, killed, on another host."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from subscriptions.domain.ownership import ProcessStatus
from subscriptions.feed.ownership.processes import name_this_process, process_status
from tests.processes import REPOSITORY

PRINT_NAME_AND_WAIT = (
    "from subscriptions.feed.ownership.processes import name_this_process; "
    "print(name_this_process(), flush=True); input()"
)


@pytest.fixture
def process() -> Iterator["subprocess.Popen[str]"]:
    """Yield a process that prints its name and waits."""
    one = subprocess.Popen(
        [sys.executable, "-c", PRINT_NAME_AND_WAIT],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield one
    one.kill()
    one.communicate()


def read_name(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_running_or_stopped_process_is_running(process: "subprocess.Popen[str]") -> None:
    name = read_name(process)
    assert process_status(name) is ProcessStatus.RUNNING

    os.kill(process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)

    assert process_status(name) is ProcessStatus.RUNNING


def test_a_killed_process_is_gone_before_and_after_it_is_reaped(process: "subprocess.Popen[str]") -> None:
    name = read_name(process)

    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert process_status(name) is ProcessStatus.GONE

    process.wait()
    assert process_status(name) is ProcessStatus.GONE


def test_another_process_with_the_same_id_does_not_count_as_the_ended_one() -> None:
    host, pid, start, chance = name_this_process().rsplit(":", 3)

    assert process_status(f"{host}:{pid}:{start}:{chance}") is ProcessStatus.RUNNING
    assert process_status(f"{host}:{pid}:{int(start) - 1}:{chance}") is ProcessStatus.GONE


@pytest.mark.parametrize(
    "name", ["another-host:1:2:ab", "a name of another kind", "", "{host}:1:0:ab", "{host}:x:2:ab"]
)
def test_the_status_of_a_process_on_another_host_is_unknown(name: str) -> None:
    host = name_this_process().rsplit(":", 3)[0]

    assert process_status(name.replace("{host}", host)) is ProcessStatus.ELSEWHERE
