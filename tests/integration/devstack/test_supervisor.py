"""The supervisor restarts programs that end; all programs end with the supervisor, also when it is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.processes import is_alive, kill_processes_of
from devstack.waiting import wait_until


@pytest.fixture
def supervisor_process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start `supervised_programs.py` in `tmp_path` and wait until its programs run."""
    command = [sys.executable, "-m", "tests.integration.devstack.supervised_programs", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert wait_until(
            lambda: (tmp_path / "worker.pids").exists() and (tmp_path / "stubborn.pids").exists(), seconds=10
        )
        yield process
        process.kill()
    kill_processes_of(tmp_path)


def pids(directory: Path, name: str) -> list[int]:
    return [int(pid) for pid in (directory / f"{name}.pids").read_text().split()]


def list_running(directory: Path) -> set[int]:
    all_pids = [*pids(directory, "worker"), *pids(directory, "stubborn")]
    return {pid for pid in all_pids if is_alive(pid)}


def test_a_killed_program_is_restarted_and_its_children_ended(
    supervisor_process: subprocess.Popen[str], tmp_path: Path
) -> None:
    worker, child = pids(tmp_path, "worker")

    os.kill(worker, signal.SIGKILL)

    assert wait_until(lambda: pids(tmp_path, "worker")[0] != worker, seconds=10)
    assert not is_alive(child)
    assert supervisor_process.poll() is None


def test_sigterm_stops_all_programs_within_ten_seconds_even_one_that_ignores_it(
    supervisor_process: subprocess.Popen[str], tmp_path: Path
) -> None:
    began_at = time.monotonic()

    supervisor_process.terminate()

    assert supervisor_process.wait(timeout=10) == 0
    assert time.monotonic() - began_at > 1.5  # the stubborn program got its whole grace period
    assert list_running(tmp_path) == set()


def test_a_second_ctrl_c_kills_the_remaining_programs_at_once(
    supervisor_process: subprocess.Popen[str], tmp_path: Path
) -> None:
    def press_again() -> bool:
        supervisor_process.send_signal(signal.SIGINT)
        return supervisor_process.poll() is not None

    assert wait_until(press_again, seconds=1.6)  # less than the grace period of the stubborn program

    assert supervisor_process.returncode == 0
    assert list_running(tmp_path) == set()


def test_programs_end_with_a_killed_supervisor_and_the_next_run_ends_their_children(
    supervisor_process: subprocess.Popen[str], tmp_path: Path
) -> None:
    leaders = {pids(tmp_path, "worker")[0], pids(tmp_path, "stubborn")[0]}

    supervisor_process.kill()

    assert wait_until(lambda: not leaders & list_running(tmp_path), seconds=10)
    kill_processes_of(tmp_path)
    assert list_running(tmp_path) == set()
