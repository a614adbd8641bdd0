"""Django's PostgreSQL backend, for processes that must not wait for ever (`patience` has the theory)."""

import weakref
from collections.abc import Callable
from functools import cache, partial
from types import ModuleType
from typing import Any, Final, Self

import psycopg
from django.conf import settings
from django.db.backends.postgresql import base
from psycopg import errors

from terminal.postgres.patience import CONNECT_SECONDS, GRACE_SECONDS, Patience

_INTERVAL: Final = 0.1
"""How often a wait looks up, as psycopg has it."""


@cache
def patience_of_this_process() -> Patience | None:
    """Return what this process may wait; None if as long as it takes."""
    if not settings.DATABASE_PATIENCE_MS:
        return None
    return Patience(statement_seconds=settings.DATABASE_PATIENCE_MS / 1_000, connections=settings.DATABASE_CONNECTIONS)


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection that is closed when an answer does not come in time."""

    answer_seconds: float | None = None

    def wait(self, gen: Any, interval: float = _INTERVAL, timeout: float | None = None) -> Any:
        """Wait for an answer, no longer than this connection may. Raises psycopg.OperationalError."""
        try:
            return super().wait(gen, interval, self.answer_seconds if timeout is None else timeout)
        except errors._WaitTimeout:  # noqa: SLF001  What `wait` is documented to raise has no public name.
            self.give_up()
            raise psycopg.OperationalError("no answer in time; the connection is given up") from None

    def give_up(self) -> None:
        """Close: what the server says to the unanswered statement must not be taken for another's answer."""
        self.close()


class BoundedConnection(DeadlineConnection):
    """A connection of a process that may be bounded: one of so many, and the first to notice a server that hangs."""

    _patience: Patience | None = None
    _parameters: dict[str, Any]
    _give_slot_back: Callable[[], object] | None = None

    @classmethod
    def connect(cls, conninfo: str = "", **parameters: Any) -> Self:
        """Connect, if the process may wait for one more. Raises psycopg.OperationalError."""
        patience = patience_of_this_process()
        if patience is None:
            return super().connect(conninfo, **parameters)
        bounded = parameters | {"connect_timeout": CONNECT_SECONDS, "options": _bounds(parameters, patience)}
        give_back = patience.take_slot()
        try:
            connection = super().connect(conninfo, **bounded)
        except BaseException as error:
            give_back()
            if isinstance(error, errors.ConnectionTimeout):
                patience.lose(partial(_ask, bounded))
            raise
        connection.be_bound(patience, bounded, give_back)
        return connection

    def be_bound(self, patience: Patience, parameters: dict[str, Any], give_back: Callable[[], None]) -> None:
        """Keep to `patience`; `give_back` is called once, when this connection is closed."""
        self._patience, self._parameters = patience, parameters
        self.answer_seconds = patience.statement_seconds + GRACE_SECONDS
        # With the last reference at the latest: a thread that ends without closing costs no slot.
        self._give_slot_back = weakref.finalize(self, give_back)

    def give_up(self) -> None:
        """Close, and spare everyone else the wait."""
        super().give_up()
        if self._patience is not None:
            self._patience.lose(partial(_ask, self._parameters))

    def close(self) -> None:
        """Close, and let another connect in its place."""
        super().close()
        if self._give_slot_back is not None:
            self._give_slot_back()


def _bounds(parameters: dict[str, Any], patience: Patience) -> str:
    """Return what the server is asked to keep to itself, where it can: also to drop the work of those who gave up."""
    given = parameters.get("options", "")
    milliseconds = round(patience.statement_seconds * 1_000)
    return f"{given} -c statement_timeout={milliseconds} -c client_connection_check_interval=500".strip()


def _ask(parameters: dict[str, Any]) -> None:
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
    """Connects as Django does, within this process's patience."""

    Database = _BoundedPsycopg(psycopg.__name__)
