"""How long a process waits for PostgreSQL, and how many of its threads may: so that a hung server piles up nothing.

The kernel of a server's machine accepts connections and acknowledges bytes for a server that is frozen or slow, so no
timeout of TCP ends such a wait, and `statement_timeout` is kept by the very server that hangs. A process that must
go on answering is *bounded* on this side too: a statement that has no answer in time costs its connection, no more
than so many connections are open at once, and once one wait was in vain nobody waits any more: until the server
has answered a question asked beside all work, every new connection is refused at once. Whoever asked gets an
OperationalError, which is 503 and Retry-After at the API and another try in a loop.

A process that is not bounded (commands, imports, tests) waits as long as it takes.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

import psycopg

logger = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 2
"""The least that libpq's rules allow."""
ANSWER_MARGIN_SECONDS: Final = 0.5
"""A server that is well ends a statement by itself first, and the connection stays good."""
SLOT_WAIT_SECONDS: Final = 0.5
PROBE_INTERVAL_SECONDS: Final = 0.5


class DatabaseUnavailable(psycopg.OperationalError):
    """The database was not asked: it is known not to answer, or as many as may wait for it already."""


class CircuitBreaker:
    """What one process may wait: `statement_seconds` for each answer, on at most `connections` at a time."""

    def __init__(self, *, statement_seconds: float, connections: int) -> None:
        self.statement_seconds = statement_seconds
        self._connections = connections
        self._slots = threading.BoundedSemaphore(connections)
        self._open = threading.Lock()

    def acquire_slot(self) -> Callable[[], None]:
        """Return how to give the slot back. Raises DatabaseUnavailable, at once while the database hangs."""
        if self._open.locked():
            raise DatabaseUnavailable("the database does not answer; it is asked again every half second")
        if not self._slots.acquire(timeout=SLOT_WAIT_SECONDS):
            raise DatabaseUnavailable(f"all {self._connections} connections of this process are busy")
        return self._slots.release

    def trip(self, probe: Callable[[], None]) -> None:
        """Refuse everyone from now on, until `probe` has had an answer; called when somebody waited in vain."""
        if self._open.acquire(blocking=False):
            logger.warning("the database hangs: everyone is refused until it answers")
            threading.Thread(target=self._probe_until_answered, args=[probe], name="database", daemon=True).start()

    def _probe_until_answered(self, probe: Callable[[], None]) -> None:
        try:
            while not _is_answered(probe):
                time.sleep(PROBE_INTERVAL_SECONDS)
        finally:
            self._open.release()
        logger.warning("the database answers again")


def _is_answered(probe: Callable[[], None]) -> bool:
    try:
        probe()
    except psycopg.Error as error:
        logger.debug("the database still does not answer: %s", error)
        return False
    return True
