"""Reading and rotating the logs of the stack's programs."""

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


def test_a_large_log_is_rotated_while_its_writer_appends(tmp_path: Path) -> None:
    log = tmp_path / "feed.log"
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
    assert (tmp_path / "feed.log.1").read_bytes() == b"x" * 100 + b"y"
