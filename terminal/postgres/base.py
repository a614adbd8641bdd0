"""Django's PostgreSQL backend with a deadline for every answer (theory: `circuit_breaker`), and with a pool.

A process with DATABASE_POOL keeps its connections open: a request takes one and returns it. Django closes the
connection of a thread at the end of a request, which returns it; so a thread outside of requests must close its own.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any, ClassVar, Final, Self

import psycopg
from django.conf import settings
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg import errors
from psycopg_pool import ConnectionPool

from terminal.postgres.circuit_breaker import ANSWER_MARGIN_SECONDS, CONNECT_SECONDS, CircuitBreaker

_INTERVAL: Final = 0.1  # The default of psycopg's `wait`: how often it checks for signals.
POOL_WAIT_SECONDS: Final = 1.0
"""Chosen: a burst of requests waits for connections that open one after another, each in some 10 ms; where the server
refuses connections, a longer wait adds nothing but latency to a 503."""
POOL_IDLE_SECONDS: Final = 300.0
"""Chosen: after a burst the unused connections close one by one in this interval, and free the server's memory."""


@dataclass
class _ProcessDeadline:
    milliseconds: int = 0  # no deadline


_default_deadline: Final = _ProcessDeadline()


def set_default_deadline(milliseconds: int) -> None:
    """Set the deadline of this process for answers, 0 for none; a worker step calls it before the first connection.

    DATABASE_PATIENCE_MS overrides it.
    """
    _default_deadline.milliseconds = milliseconds


def process_breaker() -> CircuitBreaker | None:
    """Return the circuit breaker of this process; None without a deadline."""
    milliseconds = settings.DATABASE_PATIENCE_MS or _default_deadline.milliseconds
    return _breaker(milliseconds) if milliseconds else None


@cache
def _breaker(milliseconds: int) -> CircuitBreaker:
    return CircuitBreaker(statement_seconds=milliseconds / 1_000, connections=settings.DATABASE_CONNECTIONS)


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection that closes when an answer does not come within `answer_seconds`."""

    answer_seconds: float | None = None

    def wait(self, gen: Any, interval: float = _INTERVAL, timeout: float | None = None) -> Any:
        """Wait for an answer. Raises psycopg.OperationalError after the deadline."""
        try:
            return super().wait(gen, interval, self.answer_seconds if timeout is None else timeout)
        except errors._WaitTimeout:  # noqa: SLF001  The exception that `wait` documents has no public name.
            self.abort()
            raise psycopg.OperationalError("no answer in time; the connection was closed") from None

    def abort(self) -> None:
        """Close: a late answer to this statement must not be read as the answer to the next one."""
        self.close()


class BoundedConnection(DeadlineConnection):
    """A connection that counts against the limit of its process, and trips the circuit breaker at a timeout."""

    _breaker: CircuitBreaker | None = None
    _parameters: dict[str, Any]
    _release_slot: Callable[[], object] | None = None

    @classmethod
    def connect(cls, conninfo: str = "", **parameters: Any) -> Self:
        """Connect within the limits of the process. Raises psycopg.OperationalError."""
        breaker = process_breaker()
        if breaker is None:
            return super().connect(conninfo, **parameters)
        bounded = parameters | {"connect_timeout": CONNECT_SECONDS, "options": _options(parameters, breaker)}
        release_slot = breaker.acquire_slot()
        try:
            connection = super().connect(conninfo, **bounded)
        except BaseException as error:
            # Before the slot is free, so that no waiting thread tries the same again.
            if isinstance(error, errors.ConnectionTimeout):
                breaker.trip(partial(_probe, bounded))
            release_slot()
            raise
        connection.attach(breaker, bounded, release_slot)
        return connection

    def attach(self, breaker: CircuitBreaker, parameters: dict[str, Any], release_slot: Callable[[], None]) -> None:
        """Apply the limits of `breaker`; `release_slot` is called once, when this connection closes."""
        self._breaker, self._parameters = breaker, parameters
        self.answer_seconds = breaker.statement_seconds + ANSWER_MARGIN_SECONDS
        # A finalizer, because a thread can end without closing its connection: the slot must not stay occupied.
        self._release_slot = weakref.finalize(self, release_slot)

    def abort(self) -> None:
        """Trip the circuit breaker, and close."""
        # Before the slot is free, as in `connect`.
        if self._breaker is not None:
            self._breaker.trip(partial(_probe, self._parameters))
        super().abort()

    def close(self) -> None:
        """Close, and release the slot."""
        super().close()
        if self._release_slot is not None:
            self._release_slot()


def _options(parameters: dict[str, Any], breaker: CircuitBreaker) -> str:
    """Return server options: the statement timeout, and a check (0.5 s) that drops statements of closed clients."""
    given = parameters.get("options", "")
    milliseconds = round(breaker.statement_seconds * 1_000)
    return f"{given} -c statement_timeout={milliseconds} -c client_connection_check_interval=500".strip()


def _probe(parameters: dict[str, Any]) -> None:
    """Run `SELECT 1` on a new connection. Raises psycopg.Error."""
    with DeadlineConnection.connect(**parameters) as connection:
        connection.answer_seconds = float(CONNECT_SECONDS)
        connection.execute("SELECT 1")


class _BoundedPsycopg(ModuleType):
    """The psycopg module as Django's wrapper uses it, with another `connect`."""

    connect = staticmethod(BoundedConnection.connect)

    def __getattr__(self, name: str) -> Any:
        return getattr(psycopg, name)


class DatabaseWrapper(base.DatabaseWrapper):
    """Connects like Django's wrapper, within the limits of this process, and from a pool with DATABASE_POOL."""

    Database = _BoundedPsycopg(psycopg.__name__)
    # Django's, by alias of the database; its stubs lack it, as they lack `_configure_connection`.
    _connection_pools: ClassVar[dict[str, ConnectionPool[BoundedConnection]]] = {}

    @property
    def pool(self) -> ConnectionPool[BoundedConnection] | None:
        """The pool of this process, made by the first caller; None without DATABASE_POOL."""
        if self.alias == NO_DB_ALIAS or not settings.DATABASE_POOL:
            return None
        # Two threads may make one at the same time. The second is discarded: it is not open yet.
        return self._connection_pools.get(self.alias) or self._connection_pools.setdefault(
            self.alias, self._make_pool()
        )

    def _make_pool(self) -> ConnectionPool[BoundedConnection]:
        def check(connection: BoundedConnection) -> None:
            try:
                ConnectionPool.check_connection(connection)
            except psycopg.Error:
                # The others are as old: after a restart of the server, the next request must not find them one by one.
                pool.drain()
                raise

        pool = ConnectionPool(
            connection_class=BoundedConnection,
            # Autocommit, as Django expects of a new connection.
            kwargs=self.get_connection_params() | {"autocommit": True},
            configure=self._configure_connection,  # type: ignore[attr-defined]
            check=check,
            open=False,
            min_size=0,
            max_size=settings.DATABASE_CONNECTIONS,
            timeout=POOL_WAIT_SECONDS,
            max_idle=POOL_IDLE_SECONDS,
            # The next request tries again: no background attempts with growing pauses.
            reconnect_timeout=0,
            name="database",
        )
        return pool

    def get_new_connection(self, conn_params: dict[str, Any]) -> BoundedConnection:
        """Return an open connection. Raises DatabaseUnavailable while the circuit breaker is open."""
        # A pooled connection needs no new one, but the server does not answer on it either.
        if self.pool and (breaker := process_breaker()):
            breaker.refuse_while_open()
        connection: BoundedConnection = super().get_new_connection(conn_params)
        return connection
