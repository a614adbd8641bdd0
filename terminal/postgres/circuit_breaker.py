"""Circuit breaker for PostgreSQL: after one timeout, refuse new connections until a background `SELECT 1` succeeds.

No TCP timeout ends the wait for a frozen or slow server: the kernel of its machine accepts connections and
acknowledges bytes for it. `statement_timeout` does not help either: the server that hangs would have to apply it. So a
process with a deadline protects itself in three ways:

* A statement without an answer in time closes its connection.
* A process opens at most a fixed number of connections, so waiting threads are bounded.
* After one timeout the breaker is open: each new connection is refused at once, until a probe beside the work succeeds.

The caller gets an OperationalError: 503 with Retry-After in the API, another attempt in a loop. A process without a
deadline (commands, imports, tests) waits without limit.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

import psycopg

logger = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 2  # libpq documentation, connect_timeout: lower values count as 2.
# Chosen: a healthy server ends the statement by its own statement_timeout first, and the connection stays usable.
ANSWER_MARGIN_SECONDS: Final = 0.5
# Chosen: a short burst of requests may queue for a connection; a longer wait adds nothing but latency to a 503.
SLOT_WAIT_SECONDS: Final = 0.5
# Chosen: one probe at a time, so at most two a second reach a server that recovers.
PROBE_INTERVAL_SECONDS: Final = 0.5


class DatabaseUnavailable(psycopg.OperationalError):
    """A connection refused without asking the server: the breaker is open, or all connections are in use."""


class CircuitBreaker:
    """The limits of one process: `statement_seconds` per answer, and at most `connections` open at once."""

    def __init__(self, *, statement_seconds: float, connections: int) -> None:
        self.statement_seconds = statement_seconds
        self._connections = connections
        self._slots = threading.BoundedSemaphore(connections)
        # Locked while the breaker is open. A lock, because exactly one thread must start the probe.
        self._open = threading.Lock()

    def acquire_slot(self) -> Callable[[], None]:
        """Reserve one connection and return the function that releases it. Raises DatabaseUnavailable."""
        self.refuse_while_open()
        if not self._slots.acquire(timeout=SLOT_WAIT_SECONDS):
            raise DatabaseUnavailable(f"all {self._connections} connections of this process are busy")
        try:
            self.refuse_while_open()  # The breaker may have opened during the wait: the slot of that timeout is free.
        except DatabaseUnavailable:
            self._slots.release()
            raise
        return self._slots.release

    def refuse_while_open(self) -> None:
        """Raise DatabaseUnavailable while the breaker is open."""
        if self._open.locked():
            raise DatabaseUnavailable("the database does not answer; it is probed every half second")

    def trip(self, probe: Callable[[], None]) -> None:
        """Open the breaker, and close it when `probe` succeeds; no effect while it is open.

        `probe` runs in a thread and raises psycopg.Error while the server does not answer.
        """
        if self._open.acquire(blocking=False):
            logger.warning("no answer from the database in time: refusing new connections until a probe succeeds")
            threading.Thread(target=self._probe_until_answered, args=[probe], name="database", daemon=True).start()

    def _probe_until_answered(self, probe: Callable[[], None]) -> None:
        try:
            while not _is_answered(probe):
                time.sleep(PROBE_INTERVAL_SECONDS)
        finally:
            self._open.release()
        logger.warning("the database answers again: accepting connections")


def _is_answered(probe: Callable[[], None]) -> bool:
    try:
        probe()
    except psycopg.Error as error:
        logger.debug("probe of the database failed: %s", error)
        return False
    return True
