"""A program whose heartbeats stop is killed and restarted."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from devstack.children import Child, Program
from devstack.supervisor import Supervisor

HEARTBEAT_SECONDS = 1.0
HEARTBEATING = """
import os, socket, time
heartbeating = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
while True:
    heartbeating.sendto(b"WATCHDOG=1", "\\0" + os.environ["NOTIFY_SOCKET"][1:])
    print("alive", flush=True)
    time.sleep(0.1)
"""
SILENT = "import time; print('alive', flush=True); time.sleep(600)"


def supervise(
    supervisor: Supervisor, directory: Path, script: str, *, heartbeat_seconds: float | None
) -> tuple[Child, Path]:
    log = directory / "program.log"
    program = Program(
        name="program",
        arguments=[sys.executable, "-c", script],
        environment={"PATH": os.environ["PATH"]},
        directory=directory,
        log=log,
        heartbeat_seconds=heartbeat_seconds,
    )
    child = supervisor.supervise(program)
    supervisor.wait_until(lambda: b"alive" in log.read_bytes(), every_seconds=0.05)
    return child, log


def beats(count: int) -> Callable[[], bool]:
    """Return a condition that is true after the supervisor has called it `count` times."""
    left = iter(range(count))
    return lambda: next(left, None) is None


def test_a_frozen_program_is_killed_and_restarted(supervisor: Supervisor, reports: list[str], tmp_path: Path) -> None:
    child, log = supervise(supervisor, tmp_path, HEARTBEATING, heartbeat_seconds=HEARTBEAT_SECONDS)
    supervisor.wait_until(beats(5), every_seconds=0.1)

    os.kill(child.pid, signal.SIGSTOP)
    supervisor.wait_until(lambda: bool(reports), every_seconds=0.1)
    log.write_bytes(b"")
    supervisor.wait_until(lambda: b"alive" in log.read_bytes(), every_seconds=0.1)

    assert reports[0] == "program sent no heartbeat for 1 s"
    assert reports[1].startswith("program was killed by SIGKILL; restart in 0.2 s.")
    assert child.has_exited()


def test_programs_with_recent_heartbeats_or_without_heartbeats_are_not_killed(
    supervisor: Supervisor, reports: list[str], tmp_path: Path
) -> None:
    heartbeating, _ = supervise(supervisor, tmp_path, HEARTBEATING, heartbeat_seconds=HEARTBEAT_SECONDS)
    silent, _ = supervise(supervisor, tmp_path, SILENT, heartbeat_seconds=HEARTBEAT_SECONDS)

    supervisor.wait_until(beats(15), every_seconds=0.1)

    assert reports == []
    assert not heartbeating.has_exited()
    assert not silent.has_exited()
