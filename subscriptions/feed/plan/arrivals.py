"""Instruments that move to a connection: off the old one as soon as they stream on the new one.

The owner of the new connection says so, for it alone hears them. What is silent gets a while, for most that are
silent are silent everywhere, and then leaves the old one too. While there is no socket here, nothing leaves.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from typing import Final

from django.db import Error as DatabaseError
from django.db import connections
from django.utils import timezone

from subscriptions import services
from subscriptions.feed.connection.owner import Owner
from subscriptions.feed.threads import run_in_thread

logger = logging.getLogger(__name__)

BEAT_SECONDS: Final = 0.25
SILENT_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 2.0


class Arrivals:
    """Watches what arrives on one owner's connection."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._sent_at: Mapping[int, float] = {}
        self._finished: set[int] = set()

    async def run(self) -> None:
        """Finish moves, for ever."""
        while True:
            arrived = self._choose(self._owner.list_arriving(), time.monotonic())
            if arrived and not await self._finish(arrived):
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(BEAT_SECONDS)

    def _choose(self, arriving: Mapping[int, bool], now: float) -> Collection[int]:
        """Return what streams here or was silent for long enough, and was not finished yet."""
        self._sent_at = {one: self._sent_at.get(one, now) for one in arriving}
        self._finished.intersection_update(arriving)
        return [
            one
            for one, is_heard in arriving.items()
            if one not in self._finished and (is_heard or now - self._sent_at[one] >= SILENT_SECONDS)
        ]

    async def _finish(self, arrived: Collection[int]) -> bool:
        number = self._owner.lease.connection
        try:
            count = await run_in_thread(_finish_moves, number, arrived)
        except (DatabaseError, services.PlacementBusy) as error:
            logger.warning("connection %d: %d moves not finished yet (%s)", number, len(arrived), type(error).__name__)
            return False
        self._finished.update(arrived)
        logger.info("connection %d: %d moved instruments stream here", number, count)
        return True


def _finish_moves(number: int, instrument_ids: Collection[int]) -> int:
    try:
        return services.finish_moves(connection=number, instrument_ids=instrument_ids, now=timezone.now())
    except DatabaseError:
        connections.close_all()
        raise
