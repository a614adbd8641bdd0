"""Snapshots for the silent: what was subscribed and has had no packet is asked for once over REST.

So a closed market shows its closing values, and an illiquid strike is not blank for no reason. The broker allows
1,000 instruments a call and a call a second for the whole account, so one task seeds for all connections of a
worker, in the order in which the instruments were told: spots first. A snapshot never overwrites a packet of the
same socket, and the row says that it is one.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from marketdata import dhan_api
from marketdata.dhan.credentials import Credentials
from marketdata.dhan_api import DhanError, RateLimited
from marketdata.domain.instruments import InstrumentKey
from marketdata.domain.quote_rows import rows_of
from marketdata.domain.quotes import Quote
from subscriptions.feed.connection.owner import Owner

logger = logging.getLogger(__name__)

CALL_INTERVAL_SECONDS: Final = 1.1
SILENT_SECONDS: Final = 3.0
PAUSE_AFTER_ERROR_SECONDS: Final = 30.0

ReadCurrentCredentials = Callable[[], Awaitable[Credentials | None]]
"""Return who we are to the broker now; None while nobody has told us."""


class Seeder:
    """Seeds the quote tables of one worker's owners."""

    def __init__(self, list_owners: Callable[[], Sequence[Owner]], read_credentials: ReadCurrentCredentials) -> None:
        self._list_owners = list_owners
        self._read_credentials = read_credentials
        self._silent_since: dict[int, float] = {}
        self._asked: set[int] = set()

    async def run(self) -> None:
        """Look, ask for at most one call's worth, and look again, for ever."""
        while True:
            await asyncio.sleep(CALL_INTERVAL_SECONDS)
            batch = self._choose(time.monotonic())
            credentials = await self._read_credentials() if batch else None
            if credentials is None:
                continue
            try:
                quotes = await asyncio.to_thread(dhan_api.fetch_quotes, list(batch), credentials=credentials)
            except RateLimited:
                continue  # Someone else's call came first; there is no hurry.
            except DhanError as error:
                logger.warning("%d instruments without a packet cannot be seeded: %s", len(batch), error)
                await asyncio.sleep(PAUSE_AFTER_ERROR_SECONDS)
                continue
            self._asked.update(batch.values())
            self._seed(batch, quotes)

    def _choose(self, now: float) -> Mapping[InstrumentKey, int]:
        """Return what has been silent for long enough and was not asked for yet; ids by key."""
        silent: dict[InstrumentKey, int] = {}
        for owner in self._list_owners():
            silent |= owner.list_silent()
        self._silent_since = {one: self._silent_since.get(one, now) for one in silent.values()}
        self._asked.intersection_update(self._silent_since)
        due = [
            (key, one)
            for key, one in silent.items()
            if one not in self._asked and now - self._silent_since[one] >= SILENT_SECONDS
        ]
        return dict(due[: dhan_api.MAX_KEYS_PER_REQUEST])

    def _seed(self, batch: Mapping[InstrumentKey, int], quotes: Mapping[InstrumentKey, Quote]) -> None:
        by_id = {batch[key]: quote for key, quote in quotes.items() if key in batch}
        rows = rows_of(by_id, received_at_ms=time.time_ns() // 1_000_000)
        taken = sum(owner.table.seed(rows[rows["known"] != 0]) for owner in self._list_owners())
        logger.info("%d instruments without a packet: %d seeded from the broker's snapshot", len(batch), taken)
