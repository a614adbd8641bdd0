"""Finishes moves: an instrument leaves its old connection once it streams on the new one.

The owner of the new connection decides, since only it receives the packets.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from functools import partial
from typing import Final

from django.db import Error as DatabaseError
from django.utils import timezone

from subscriptions import services
from subscriptions.feed.plan.plan import PlannedConnection
from subscriptions.feed.threads import run_in_thread

logger = logging.getLogger(__name__)

# Chosen: a move holds capacity on two connections, so it ends within a quarter of a second of its first packet.
BEAT_SECONDS: Final = 0.25
# Chosen: most instruments without a packet for this long do not trade, on either connection.
SILENT_SECONDS: Final = 10.0
# Chosen: the database or the placement lock is busy; moves are not urgent.
RETRY_SECONDS: Final = 2.0


class Arrivals:
    """Finishes the moves to one connection."""

    def __init__(self, connection: PlannedConnection) -> None:
        self._connection = connection
        self._sent_at: Mapping[int, float] = {}
        self._finished: set[int] = set()

    async def run(self) -> None:
        """Finish moves until cancelled."""
        while True:
            arrived = self._choose(self._connection.list_arriving(), time.monotonic())
            # One transaction for all of them: each finished move nudges the owner of the old connection.
            if arrived and not await self._finish(arrived):
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(BEAT_SECONDS)

    def _choose(self, arriving: Mapping[int, bool], now: float) -> Collection[int]:
        """Return the arriving instruments to finish: with packets here, or silent for `SILENT_SECONDS`."""
        # Rebuilt from the present set: after a lost socket nothing arrives, and the silence is counted from 0 again.
        self._sent_at = {one: self._sent_at.get(one, now) for one in arriving}
        # The plan still shows a finished move until the reconciler reads it again.
        self._finished.intersection_update(arriving)
        return [
            one
            for one, is_heard in arriving.items()
            if one not in self._finished and (is_heard or now - self._sent_at[one] >= SILENT_SECONDS)
        ]

    async def _finish(self, arrived: Collection[int]) -> bool:
        number = self._connection.lease.connection
        try:
            finish = partial(services.finish_moves, connection=number, instrument_ids=arrived, now=timezone.now())
            count = await run_in_thread(finish)
        except (DatabaseError, services.PlacementBusy) as error:
            logger.warning("connection %d: %d moves not finished (%s)", number, len(arrived), type(error).__name__)
            return False
        self._finished.update(arrived)
        logger.info("connection %d: %d moves finished", number, count)
        return True
