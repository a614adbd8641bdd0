"""Reading and rotating the logs of the stack's programs."""

import os
import time
from pathlib import Path

from devstack.logs import LogTail, last_lines, rotate_if_large, rotate_logs


def test_a_tail_yields_each_complete_line_once(tmp_path: Path) -> None:
    log = tmp_path / "import.log"
    log.write_text("an earlier run\n")
    tail = LogTail(log)

    with log.open("a") as file:
        file.write("100,000 rows\n200,0")
        file.flush()
        first = tail.new_lines()
        file.write("00 rows\n")
        file.flush()
        second = tail.new_lines()

    assert (first, second, tail.new_lines()) == (["100,000 rows"], ["200,000 rows"], [])


def test_a_missing_log_has_no_lines(tmp_path: Path) -> None:
    assert LogTail(tmp_path / "none.log").new_lines() == []
    assert last_lines(tmp_path / "none.log", count=3) == []


def test_the_last_lines_of_a_long_log_are_returned(tmp_path: Path) -> None:
    log = tmp_path / "feed.log"
    log.write_text("one\n" * 10_000 + "two\nthree\n")

    assert last_lines(log, count=2) == ["two", "three"]


def test_logs_of_the_previous_run_are_rotated(tmp_path: Path) -> None:
    (tmp_path / "web.log").write_text("before\n")

    rotate_logs(tmp_path)

    assert (tmp_path / "web.log.1").read_text() == "before\n"
    assert not (tmp_path / "web.log").exists()


def restart(logs: Path, content: str, *, written_at: float) -> None:
    """Put the logs aside, as each start does, and write the log of this run."""
    rotate_logs(logs)
    (logs / "feed.log").write_text(content)
    os.utime(logs / "feed.log", (written_at, written_at))


def generations(logs: Path) -> list[str]:
    """Return the contents of all generations, the newest first."""
    count = len(list(logs.glob("feed.log.*")))
    return [(logs / f"feed.log.{number}").read_text() for number in range(1, count + 1)]


def test_the_log_of_an_incident_survives_any_number_of_restarts_for_a_day(tmp_path: Path) -> None:
    now = time.time()
    for number in range(30):
        restart(tmp_path, f"run {number}\n", written_at=now - 23 * 3600)

    rotate_logs(tmp_path)

    assert generations(tmp_path) == [f"run {number}\n" for number in reversed(range(30))]


def test_seven_generations_stay_however_old_they_are(tmp_path: Path) -> None:
    long_ago = time.time() - 30 * 24 * 3600
    for number in range(10):
        restart(tmp_path, f"run {number}\n", written_at=long_ago)

    rotate_logs(tmp_path)

    assert generations(tmp_path) == [f"run {number}\n" for number in (9, 8, 7, 6, 5, 4, 3)]


def test_old_generations_go_although_their_program_writes_no_more(tmp_path: Path) -> None:
    long_ago = time.time() - 30 * 24 * 3600
    for number in range(1, 10):
        (tmp_path / f"feed.log.{number}").write_text(f"{number}")
        os.utime(tmp_path / f"feed.log.{number}", (long_ago, long_ago))

    rotate_logs(tmp_path)

    assert generations(tmp_path) == ["1", "2", "3", "4", "5", "6", "7"]


def test_a_run_that_wrote_nothing_pushes_no_generation_out(tmp_path: Path) -> None:
    restart(tmp_path, "the incident\n", written_at=time.time())
    for _ in range(10):
        restart(tmp_path, "", written_at=time.time())

    assert generations(tmp_path) == ["the incident\n"]


def test_the_space_of_all_generations_is_bounded(tmp_path: Path) -> None:
    for number in range(1, 21):
        with (tmp_path / f"feed.log.{number}").open("wb") as file:
            file.truncate(64 * 1024 * 1024)  # a sparse file

    rotate_logs(tmp_path)

    left = sorted(tmp_path.glob("feed.log.*"))
    assert sum(path.stat().st_size for path in left) <= 1_000_000_000
    assert {path.name for path in left} == {f"feed.log.{number}" for number in range(1, 15)}


def test_a_large_log_is_rotated_while_its_writer_appends(tmp_path: Path) -> None:
    log = tmp_path / "feed.log"
    (tmp_path / "feed.log.1").write_text("the former run\n")
    with log.open("ab") as writer:
        writer.write(b"x" * 100)
        writer.flush()
        rotate_if_large(log, most_bytes=100)
        is_left_alone = log.stat().st_size == 100
        writer.write(b"y")
        writer.flush()
        rotate_if_large(log, most_bytes=100)
        writer.write(b"after\n")

    assert is_left_alone
    assert log.read_bytes() == b"after\n"
    assert generations(tmp_path) == ["x" * 100 + "y", "the former run\n"]
