"""Reads previous closes from our own record for instruments that have a price and no previous close.

After a session the broker's close field may be that of the session itself, so an instrument that is first heard of then
gets its previous close from the record, else a dash. During a session it is the base until a packet brings one.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from django.db import Error as DatabaseError

from marketdata.dhan.closes import RecordedClose
from marketdata.domain.tick_rules import day_number
from marketdata.selectors import PreviousClose
from subscriptions.feed.plan.plan import PlannedConnection
from subscriptions.feed.threads import run_in_thread

logger = logging.getLogger(__name__)

# Chosen: a page that opens after the session shows the change after about as long as a price.
INTERVAL_SECONDS: Final = 1.0
# Chosen: the interval of the task that fills gaps of the record (`marketdata.tasks.fill_closes`). Most instruments
# without a close have no record either.
ASK_AGAIN_SECONDS: Final = 60.0

ReadCloses = Callable[[Collection[int]], Mapping[int, PreviousClose]]
"""Return the recorded closes of these instruments, by id; blocks. Raises DatabaseError."""


class CloseReader:
    """Fills the previous closes of one worker's connections."""

    def __init__(self, list_connections: Callable[[], Sequence[PlannedConnection]], read: ReadCloses) -> None:
        self._list_connections = list_connections
        self._read = read
        self._asked: set[int] = set()
        self._asked_since = time.monotonic()

    async def run(self) -> None:
        """Read the missing closes once per interval until cancelled; one query for all connections."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            if missing := self._choose(time.monotonic()):
                await self._fill(missing)

    def _choose(self, now: float) -> frozenset[int]:
        """Return the instruments without a previous close that were not asked for lately."""
        if now - self._asked_since >= ASK_AGAIN_SECONDS:
            self._asked, self._asked_since = set(), now
        lacking = (connection.table.ids_without_close() for connection in self._list_connections())
        return frozenset[int]().union(*lacking) - self._asked

    async def _fill(self, missing: frozenset[int]) -> None:
        try:
            found = await run_in_thread(self._read, sorted(missing))
        except DatabaseError as error:
            logger.warning("closes of %d instruments unreadable (%s)", len(missing), type(error).__name__)
            return
        self._asked |= missing
        closes = {
            one: RecordedClose(float(close.price), close.oi, day_number(close.session_day))
            for one, close in found.items()
        }
        taken = sum(connection.table.learn_closes(closes) for connection in self._list_connections()) if closes else 0
        if taken:
            logger.info("%d previous closes taken from the record of the session before", taken)
