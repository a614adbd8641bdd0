"""Repeated lines of a log are counted; the first of its kind, and every line with another text, is written."""

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers, lists, tuples

from terminal.log_repeats import ConsoleHandler, Line, RepeatCounter
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]


class Clock:
    """A clock that a test sets, in seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(clock: Clock, output: io.StringIO) -> Iterator[logging.Logger]:
    handler = ConsoleHandler(output, clock=clock)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("feed")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield logger
    logger.removeHandler(handler)
    handler.close()


def test_a_repeated_line_is_written_once_and_then_counted(
    log: logging.Logger, output: io.StringIO, clock: Clock
) -> None:
    for _ in range(42):
        log.warning("connection %s lost", 3)
        clock.now += 1

    clock.now = 160
    log.info("another line")

    assert output.getvalue().splitlines() == [
        "WARNING feed: connection 3 lost",
        "WARNING feed: connection 3 lost ... repeated 41 times in 60 s",
        "INFO feed: another line",
    ]


def test_a_line_that_goes_on_is_counted_minute_by_minute(
    log: logging.Logger, output: io.StringIO, clock: Clock
) -> None:
    for second in range(181):
        clock.now = 100 + second
        log.warning("Redis does not answer")

    assert output.getvalue().splitlines() == [
        "WARNING feed: Redis does not answer",
        *["WARNING feed: Redis does not answer ... repeated 59 times in 60 s"],
        *["WARNING feed: Redis does not answer ... repeated 60 times in 60 s"] * 2,
    ]


def test_a_line_that_comes_again_after_a_minute_is_written_in_full(
    log: logging.Logger, output: io.StringIO, clock: Clock
) -> None:
    log.info("instruments imported")
    clock.now += 60
    log.info("instruments imported")

    assert output.getvalue().splitlines() == ["INFO feed: instruments imported"] * 2


def test_lines_that_differ_in_a_number_a_level_or_a_traceback_are_all_written(
    log: logging.Logger, output: io.StringIO
) -> None:
    for number in range(3):
        log.info("connection %s lost", number)
    log.warning("connection 1 lost")
    for error in ("the disk is full", "no such table"):
        try:
            raise OSError(error)
        except OSError:
            log.exception("not written")

    written = output.getvalue()
    assert [line for line in written.splitlines() if line.startswith(("INFO", "WARNING", "ERROR"))] == [
        "INFO feed: connection 0 lost",
        "INFO feed: connection 1 lost",
        "INFO feed: connection 2 lost",
        "WARNING feed: connection 1 lost",
        "ERROR feed: not written",
        "ERROR feed: not written",
    ]
    assert "OSError: the disk is full" in written
    assert "OSError: no such table" in written


def test_the_count_of_a_traceback_names_its_first_line_alone(
    log: logging.Logger, output: io.StringIO, clock: Clock
) -> None:
    for _ in range(3):
        try:
            raise OSError("the disk is full")
        except OSError:
            log.exception("not written\nsecond line")
    clock.now += 60
    log.info("next")

    assert output.getvalue().count("Traceback") == 1
    assert output.getvalue().endswith("ERROR feed: not written ... repeated 2 times in 60 s\nINFO feed: next\n")


def test_the_count_is_written_when_no_other_line_follows(output: io.StringIO) -> None:
    handler = ConsoleHandler(output, window_seconds=0.05)

    for _ in range(2):
        handler.handle(logging.LogRecord("feed", logging.INFO, "", 0, "lost", None, None))

    wait_until(lambda: "lost ... repeated once in 1 s" in output.getvalue(), message="the count is written")
    handler.close()


def test_the_count_is_written_at_the_end_of_the_process() -> None:
    script = "import logging, logging.config, terminal.settings as s; logging.config.dictConfig(s.LOGGING);"
    script += "[logging.getLogger('feed').warning('lost') for _ in range(5)]"
    environment = {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": "only-for-this-test",
        "DATABASE_URL": "postgres://127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    texts = [line.partition("WARNING ")[2] for line in done.stderr.splitlines()]
    assert texts == ["feed: lost", "feed: lost ... repeated 4 times in 1 s"]


def test_a_record_that_cannot_be_formatted_fails_no_caller(
    output: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = ConsoleHandler(output)

    handler.handle(logging.LogRecord("feed", logging.INFO, "", 0, "%d instruments", ("many",), None))
    handler.handle(logging.LogRecord("feed", logging.INFO, "", 0, "after it", None, None))

    assert output.getvalue() == "after it\n"
    assert "%d instruments" in capsys.readouterr().err


@given(lists(tuples(integers(0, 4), floats(0, 30)), max_size=60))
def test_every_line_is_written_or_counted(events: list[tuple[int, float]]) -> None:
    counter, now = RepeatCounter(max_lines=3), 0.0
    written = counted = 0
    for number, pause in events:
        now += pause
        counted += sum(one.count for one in counter.take_due(now))
        written += not counter.is_repeated(Line("feed", logging.INFO, str(number), ""), now)

    counted += sum(one.count for one in counter.take_all(now))

    assert written + counted == len(events)
