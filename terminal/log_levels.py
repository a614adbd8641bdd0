"""The log filter of every process: *error* means that a person must act, also for lines of libraries.

Libraries log each failed call as an error, with a traceback, although the next attempt succeeds: Celery while it
reconnects, Django for each answer 503, asyncio and the ASGI server for a socket that lost its database. Such a line
becomes a warning and its traceback one line. The rule is about the exception, not about the library: an outage of
PostgreSQL or Redis, a lost connection, a killed pool process, a cancelled task. Every loop of ours tries again, and
every process is restarted. A refused login or missing right, a missing database and a full disk are no outages:
they last until a person acts. A bug is none either.

By names of classes, because this module is imported before the apps and must not import clients of servers.
"""

import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Final

from terminal.storage import STATES

OUTAGES: Final = frozenset(
    {
        "asyncio.exceptions.CancelledError",
        "billiard.exceptions.TimeLimitExceeded",
        "billiard.exceptions.WorkerLostError",
        "builtins.ConnectionError",
        "builtins.TimeoutError",
        "django.db.utils.InterfaceError",
        "django.db.utils.OperationalError",
        "kombu.exceptions.OperationalError",
        "psycopg.InterfaceError",
        "psycopg.OperationalError",
        "redis.exceptions.ConnectionError",
        "redis.exceptions.TimeoutError",
    }
)
# Subclasses of the ones above that last until a person acts.
_LASTING: Final = frozenset({"redis.exceptions.AuthenticationError", "redis.exceptions.AuthorizationError"})
# Texts of libpq for a refused connection, which has no SQLSTATE: wrong password or role, missing database or right.
_LASTING_TEXTS: Final = ("authentication failed", "does not exist", "permission denied", "no pg_hba.conf entry")
# Packages whose lines have the level that they deserve, unless a traceback shows that nobody expected the error.
_OURS: Final = frozenset({"accounts", "marketdata", "subscriptions", "terminal", "watchlists"})
_TRACEBACK: Final = "Traceback (most recent call last)"
_CALLERS: Final = "\n['  File "  # celery.beat adds the stack of its callers as a list.
# Lines without an exception that a restart or the next attempt makes good, by logger and beginning.
_HEALING_LINES: Final = (
    ("uvicorn.error", "Cancel %s running task(s)"),  # a stop while browsers are connected
    ("celery.worker.request", "Hard time limit"),
    ("multiprocessing", "Process %r pid:%r exited with"),  # a killed pool process; the pool starts another
)


class OutagesAreWarnings(logging.Filter):
    """Lowers the level of records about outages that heal themselves, and replaces their tracebacks."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record where it is about an outage; no record is left out."""
        if record.levelno < logging.WARNING:
            return True
        error = _unwrapped(record.exc_info[1]) if record.exc_info else None
        if is_outage(error) or _handles_outage(record, error) if error is not None else _heals(record):
            record.msg, record.args = _in_one_line(record, error), None
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        return True


def _unwrapped(error: BaseException | None) -> BaseException | None:
    """Return the error of a task, which the pool process sends inside another one."""
    if error is not None and "billiard.einfo.ExceptionWithTraceback" in _names(error):
        inner: BaseException = error.exc  # type: ignore[attr-defined]  # The class is known by its name.
        return inner
    return error


def is_outage(error: BaseException) -> bool:
    """Whether `error` comes from an outage that heals itself. Of a group, every member must."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_outage(one) for one in error.exceptions)
    chain = list(_causes(error))
    if any(_is_lasting(one) for one in chain):
        return False
    return any(name in OUTAGES for name in _names(error)) or (
        error.__cause__ is not None and is_outage(error.__cause__)
    )


def _handles_outage(record: logging.LogRecord, error: BaseException) -> bool:
    """Whether Celery raised `error` while it handled an outage, without naming it as the cause.

    A worker fails while it closes a lost Redis (kombu raises AttributeError), and is started again. Beat could not send
    a task, and sends it at its next time.
    """
    context = error.__context__
    return record.name in {"celery.worker", "celery.beat"} and context is not None and is_outage(context)


def _is_lasting(error: BaseException) -> bool:
    text = str(error)
    return (
        getattr(error, "sqlstate", None) in STATES
        or any(name in _LASTING for name in _names(error))
        or any(one in text for one in _LASTING_TEXTS)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and the errors that it states as its cause."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__


def _names(error: BaseException) -> Iterator[str]:
    return (f"{one.__module__}.{one.__qualname__}" for one in type(error).__mro__)


def _heals(record: logging.LogRecord) -> bool:
    """Whether a record without a traceback is about an outage: by its arguments, its status, or its text."""
    # Django logs each answer of 500 and more; the answers 503 are for a busy or unreachable server.
    if record.name == "django.request" and getattr(record, "status_code", None) == HTTPStatus.SERVICE_UNAVAILABLE:
        return True
    if any(record.name == name and str(record.msg).startswith(text) for name, text in _HEALING_LINES):
        return True
    if _TRACEBACK in (text := record.getMessage()):
        return _names_outage(text.strip().rpartition("\n")[2])
    if record.name.partition(".")[0] in _OURS:
        return False
    arguments = record.args.values() if isinstance(record.args, Mapping) else record.args or ()
    errors = [one for one in arguments if isinstance(one, BaseException)]
    return bool(errors) and all(is_outage(one) for one in errors)


def _names_outage(last_line: str) -> bool:
    """Whether the last line of a traceback, as text, names an outage: daphne logs no exception, only its text."""
    name = last_line.partition(":")[0]
    is_known = name in OUTAGES or f"builtins.{name}" in OUTAGES
    return is_known and not any(text in last_line for text in _LASTING_TEXTS)


def _in_one_line(record: logging.LogRecord, error: BaseException | None) -> str:
    """Return the message without a traceback, and with the error unless the message states it already."""
    text = record.getMessage().strip().partition(_CALLERS)[0]
    message, traceback, lines = text.partition(_TRACEBACK)
    detail = " ".join(str(error).split()) if error is not None else ""
    if traceback:
        return f"{' '.join(message.split())} ({detail or lines.strip().rpartition(chr(10))[2]})"
    if error is None or (detail and detail in text):
        return text
    return f"{text} ({type(error).__name__}: {detail})"
