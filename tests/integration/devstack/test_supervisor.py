"""Programs are kept alive and end with their supervisor, however that ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.processes import end_marked, identify
from tests.integration.devstack.waiting import wait_for


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the little stack of `keeper` in `tmp_path` and wait until its programs are up."""
    command = [sys.executable, "-m", "tests.integration.devstack.keeper", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        wait_for("both programs", lambda: (tmp_path / "worker.pids").exists() and (tmp_path / "stubborn.pids").exists())
        yield process
        process.kill()
    end_marked(tmp_path)


def pids(directory: Path, name: str) -> list[int]:
    return [int(pid) for pid in (directory / f"{name}.pids").read_text().split()]


def live(directory: Path) -> set[int]:
    everyone = [*pids(directory, "worker"), *pids(directory, "stubborn")]
    return {pid for pid in everyone if identify(pid) is not None}


def test_a_killed_program_is_started_again_and_its_offspring_ended(
    keeper: subprocess.Popen[str], tmp_path: Path
) -> None:
    worker, offspring = pids(tmp_path, "worker")

    os.kill(worker, signal.SIGKILL)

    wait_for("another worker", lambda: pids(tmp_path, "worker")[0] != worker)
    assert identify(offspring) is None
    assert keeper.poll() is None


def test_sigterm_stops_all_even_the_stubborn_within_ten_seconds(keeper: subprocess.Popen[str], tmp_path: Path) -> None:
    began_at = time.monotonic()

    keeper.terminate()

    assert keeper.wait(timeout=10) == 0
    assert time.monotonic() - began_at > 1.5  # the stubborn one had its time
    assert live(tmp_path) == set()


def test_an_impatient_user_is_obeyed_and_nobody_is_left(keeper: subprocess.Popen[str], tmp_path: Path) -> None:
    def press_again() -> bool:
        keeper.send_signal(signal.SIGINT)
        return keeper.poll() is not None

    wait_for("the stop", press_again, seconds=1.5)

    assert keeper.returncode == 0
    assert live(tmp_path) == set()


def test_programs_die_with_a_killed_supervisor_and_the_next_run_ends_their_offspring(
    keeper: subprocess.Popen[str], tmp_path: Path
) -> None:
    leaders = {pids(tmp_path, "worker")[0], pids(tmp_path, "stubborn")[0]}

    keeper.kill()

    wait_for("the programs to die", lambda: not leaders & live(tmp_path))
    end_marked(tmp_path)
    assert live(tmp_path) == set()
