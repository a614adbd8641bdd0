"""Django's PostgreSQL backend, for processes that must not wait for ever (theory: `circuit_breaker`)."""

import weakref
from collections.abc import Callable
from functools import cache, partial
from types import ModuleType
from typing import Any, Final, Self

import psycopg
from django.conf import settings
from django.db.backends.postgresql import base
from psycopg import errors

from terminal.postgres.circuit_breaker import ANSWER_MARGIN_SECONDS, CONNECT_SECONDS, CircuitBreaker

_INTERVAL: Final = 0.1
"""How often a wait looks up, as psycopg has it."""


@cache
def process_breaker() -> CircuitBreaker | None:
    """Return what this process may wait; None if as long as it takes."""
    if not settings.DATABASE_PATIENCE_MS:
        return None
    return CircuitBreaker(
        statement_seconds=settings.DATABASE_PATIENCE_MS / 1_000, connections=settings.DATABASE_CONNECTIONS
    )


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection that is closed when an answer does not come in time."""

    answer_seconds: float | None = None

    def wait(self, gen: Any, interval: float = _INTERVAL, timeout: float | None = None) -> Any:
        """Wait for an answer, no longer than this connection may. Raises psycopg.OperationalError."""
        try:
            return super().wait(gen, interval, self.answer_seconds if timeout is None else timeout)
        except errors._WaitTimeout:  # noqa: SLF001  What `wait` is documented to raise has no public name.
            self.abort()
            raise psycopg.OperationalError("no answer in time; the connection is given up") from None

    def abort(self) -> None:
        """Close: what the server says to the unanswered statement must not be taken for another's answer."""
        self.close()


class BoundedConnection(DeadlineConnection):
    """A connection of a process that may be bounded: one of so many, and the first to notice a server that hangs."""

    _breaker: CircuitBreaker | None = None
    _parameters: dict[str, Any]
    _release_slot: Callable[[], object] | None = None

    @classmethod
    def connect(cls, conninfo: str = "", **parameters: Any) -> Self:
        """Connect, if the process may wait for one more. Raises psycopg.OperationalError."""
        breaker = process_breaker()
        if breaker is None:
            return super().connect(conninfo, **parameters)
        bounded = parameters | {"connect_timeout": CONNECT_SECONDS, "options": _bounds(parameters, breaker)}
        release_slot = breaker.acquire_slot()
        try:
            connection = super().connect(conninfo, **bounded)
        except BaseException as error:
            release_slot()
            if isinstance(error, errors.ConnectionTimeout):
                breaker.trip(partial(_probe, bounded))
            raise
        connection.attach(breaker, bounded, release_slot)
        return connection

    def attach(self, breaker: CircuitBreaker, parameters: dict[str, Any], release_slot: Callable[[], None]) -> None:
        """Keep to `breaker`; `release_slot` is called once, when this connection is closed."""
        self._breaker, self._parameters = breaker, parameters
        self.answer_seconds = breaker.statement_seconds + ANSWER_MARGIN_SECONDS
        # With the last reference at the latest: a thread that ends without closing costs no slot.
        self._release_slot = weakref.finalize(self, release_slot)

    def abort(self) -> None:
        """Close, and spare everyone else the wait."""
        super().abort()
        if self._breaker is not None:
            self._breaker.trip(partial(_probe, self._parameters))

    def close(self) -> None:
        """Close, and let another connect in its place."""
        super().close()
        if self._release_slot is not None:
            self._release_slot()


def _bounds(parameters: dict[str, Any], breaker: CircuitBreaker) -> str:
    """Return what the server is asked to keep to itself, where it can: also to drop the work of those who gave up."""
    given = parameters.get("options", "")
    milliseconds = round(breaker.statement_seconds * 1_000)
    return f"{given} -c statement_timeout={milliseconds} -c client_connection_check_interval=500".strip()


def _probe(parameters: dict[str, Any]) -> None:
    """Ask the server anything. Raises psycopg.Error."""
    with DeadlineConnection.connect(**parameters) as connection:
        connection.answer_seconds = float(CONNECT_SECONDS)
        connection.execute("SELECT 1")


class _BoundedPsycopg(ModuleType):
    """psycopg as Django's wrapper uses it, but for `connect`."""

    connect = staticmethod(BoundedConnection.connect)

    def __getattr__(self, name: str) -> Any:
        return getattr(psycopg, name)


class DatabaseWrapper(base.DatabaseWrapper):
    """Connects as Django does, within this process's limits."""

    Database = _BoundedPsycopg(psycopg.__name__)
