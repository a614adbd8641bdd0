"""The log filter: outages that heal themselves are warnings of one line; what lasts stays an error."""

import io
import logging
import traceback

import psycopg.errors
import pytest
import redis
from billiard.einfo import ExceptionWithTraceback  # type: ignore[attr-defined]  # The stubs lack it.
from billiard.exceptions import WorkerLostError
from celery.beat import SchedulingError
from django.db import OperationalError
from kombu.exceptions import OperationalError as BrokerError

from terminal.log_levels import OutagesAreWarnings, is_outage


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def written(
    name: str, level: int, text: str, *arguments: object, error: Exception | None = None, **more: object
) -> str:
    """Return what a handler with the filter writes for one record."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    handler.addFilter(OutagesAreWarnings())
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord(name, level, "", 0, text, arguments, exc_info)
    for key, value in more.items():
        setattr(record, key, value)
    handler.handle(record)
    return stream.getvalue().strip()


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError("reset"),
        TimeoutError(),
        redis.ConnectionError("Error 111 connecting to 127.0.0.1:6379."),
        redis.BusyLoadingError("loading"),
        OperationalError("server closed the connection unexpectedly"),
        caused(OperationalError("terminating"), psycopg.errors.AdminShutdown("terminating connection")),
        caused(RuntimeError("placement busy"), OperationalError("canceling statement")),
        BrokerError("Error 111"),
        WorkerLostError("Worker exited prematurely: signal 9 (SIGKILL)"),
        ExceptionGroup("two", [TimeoutError(), ConnectionRefusedError()]),
    ],
)
def test_an_outage_is_a_warning_of_one_line(error: Exception) -> None:
    line = written("celery.app.trace", logging.ERROR, "Task raised", error=error)

    assert line.startswith("WARNING celery.app.trace: Task raised (")
    assert "\n" not in line


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a bug"),
        FileNotFoundError("a bug"),
        redis.ResponseError("WRONGTYPE"),
        redis.AuthenticationError("invalid username-password pair"),
        OperationalError('FATAL:  password authentication failed for user "terminal"'),
        OperationalError('FATAL:  database "terminal" does not exist'),
        caused(OperationalError("could not extend file"), psycopg.errors.DiskFull("could not extend file")),
        ExceptionGroup("two", [TimeoutError(), ValueError()]),
    ],
)
def test_what_lasts_until_a_person_acts_stays_an_error_with_its_traceback(error: Exception) -> None:
    assert not is_outage(error)

    lines = written("celery.app.trace", logging.ERROR, "Task raised", error=error).splitlines()

    assert lines[0] == "ERROR celery.app.trace: Task raised"
    assert len(lines) > 1


@pytest.mark.parametrize(("cause", "level"), [(redis.ConnectionError("lost"), "WARNING"), (ValueError(), "CRITICAL")])
def test_a_worker_that_ends_while_it_handles_an_outage_is_a_warning(cause: Exception, level: str) -> None:
    error = AttributeError("'NoneType' object has no attribute 'hostname'")
    error.__context__ = cause

    line = written("celery.worker", logging.CRITICAL, "Unrecoverable error: %r", error, error=error)

    assert line.startswith(f"{level} celery.worker: Unrecoverable error: AttributeError(")
    assert ("\n" in line) is (level == "CRITICAL")


@pytest.mark.parametrize(("context", "level"), [(BrokerError("Error 111"), "WARNING"), (ValueError(), "ERROR")])
def test_a_task_that_beat_could_not_send_in_an_outage_is_a_warning(context: Exception, level: str) -> None:
    error = SchedulingError("Couldn't apply scheduled task Recentre: Error 111")
    error.__context__ = context

    line = written("celery.beat", logging.ERROR, "Message Error: %s\n%s", error, traceback.format_stack(), error=error)

    assert line.startswith(f"{level} celery.beat: Message Error: Couldn't apply scheduled task Recentre: Error 111")
    assert ("\n" in line) is (level == "ERROR")


@pytest.mark.parametrize(("error", "level"), [(WorkerLostError("signal 9"), "WARNING"), (ValueError(), "ERROR")])
def test_the_error_of_a_pool_process_is_read_in_its_wrapper(error: Exception, level: str) -> None:
    wrapped = ExceptionWithTraceback(error, None)

    line = written("celery.worker.request", logging.ERROR, "Task handler raised error: %r", error, error=wrapped)

    assert line.startswith(f"{level} celery.worker.request: Task handler raised error: ")
    assert ("\n" in line) is (level == "ERROR")


def test_a_warning_about_an_outage_has_no_traceback_either() -> None:
    line = written("celery", logging.WARNING, "Connection to broker lost", error=redis.ConnectionError("closed"))

    assert line == "WARNING celery: Connection to broker lost (ConnectionError: closed)"


def test_an_outage_named_by_an_argument_is_a_warning() -> None:
    lost = written("celery.worker", logging.CRITICAL, "Couldn't ack %r, reason:%r", 7, redis.ConnectionError("closed"))
    refused = written("beat", logging.ERROR, "Refused: %s", redis.AuthenticationError("WRONGPASS"))

    assert lost.startswith("WARNING celery.worker: Couldn't ack 7, reason:")
    assert refused == "ERROR beat: Refused: WRONGPASS"


def test_a_line_of_ours_keeps_its_level_unless_it_has_a_traceback() -> None:
    expected = written("marketdata.services.imports", logging.ERROR, "import refused: %s", TimeoutError("late"))
    unexpected = written("subscriptions.feed.bootstep", logging.ERROR, "worker failed", error=OperationalError("gone"))

    assert expected == "ERROR marketdata.services.imports: import refused: late"
    assert unexpected == "WARNING subscriptions.feed.bootstep: worker failed (OperationalError: gone)"


def test_a_traceback_in_the_text_is_read_for_its_last_line() -> None:
    text = "Exception inside application: gone\nTraceback (most recent call last):\n  File x\n{}"

    outage = written("daphne.server", logging.ERROR, text.format("redis.exceptions.ConnectionError: gone"))
    bug = written("daphne.server", logging.ERROR, text.format("ValueError: gone"))

    assert outage == (
        "WARNING daphne.server: Exception inside application: gone (redis.exceptions.ConnectionError: gone)"
    )
    assert bug.startswith("ERROR daphne.server: Exception inside application: gone\nTraceback")


@pytest.mark.parametrize(("status", "level"), [(503, "WARNING"), (500, "ERROR"), (504, "ERROR")])
def test_an_answer_of_503_is_a_warning(status: int, level: str) -> None:
    line = written("django.request", logging.ERROR, "%s: %s", "Answer", "/api/v2/", status_code=status)

    assert line == f"{level} django.request: Answer: /api/v2/"


def test_the_end_of_a_pool_process_and_of_a_stop_with_browsers_are_warnings() -> None:
    killed = written("multiprocessing", logging.ERROR, "Process %r pid:%r exited with %r", "Fork-1", 7, "signal 9")
    stopped = written("uvicorn.error", logging.ERROR, "Cancel %s running task(s), timeout exceeded", 3)
    other = written("uvicorn.error", logging.ERROR, "Application startup failed. Exiting.")

    assert [one.split()[0] for one in (killed, stopped, other)] == ["WARNING", "WARNING", "ERROR"]


def test_lines_below_a_warning_are_not_changed() -> None:
    assert written("x", logging.INFO, "closed: %s", TimeoutError("late")) == "INFO x: closed: late"
