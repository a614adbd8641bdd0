"""Seeds instruments without a packet from the broker's REST snapshot, once each.

So a closed market shows closing values, and an illiquid strike shows its last ones. A snapshot never overwrites a
packet of the same socket, and its row says that it is a snapshot. One task seeds for all connections of a worker,
because the broker's rate limit is for the account.
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
from subscriptions.feed.plan.plan import PlannedConnection

logger = logging.getLogger(__name__)

# docs/dhan.md: one quote request a second for the account; 1.1 s is safe.
CALL_INTERVAL_SECONDS: Final = 1.1
# Chosen: leaves time for first packets, so that few instruments that trade are requested.
SILENT_SECONDS: Final = 3.0
# Chosen: an error of the REST side lasts minutes, and packets come without it.
PAUSE_AFTER_ERROR_SECONDS: Final = 30.0

ReadCurrentCredentials = Callable[[], Awaitable[Credentials | None]]
"""Return the present credentials; None while none are stored."""


class Seeder:
    """Seeds the quote tables of one worker's connections."""

    def __init__(
        self, list_connections: Callable[[], Sequence[PlannedConnection]], read_credentials: ReadCurrentCredentials
    ) -> None:
        self._list_connections = list_connections
        self._read_credentials = read_credentials
        self._silent_since: dict[int, float] = {}
        self._requested: set[int] = set()

    async def run(self) -> None:
        """Request one batch per interval until cancelled."""
        while True:
            await asyncio.sleep(CALL_INTERVAL_SECONDS)
            batch = self._choose(time.monotonic())
            credentials = await self._read_credentials() if batch else None
            if credentials is None:
                continue
            try:
                quotes = await asyncio.to_thread(dhan_api.fetch_quotes, list(batch), credentials=credentials)
            except RateLimited:
                continue  # Another process used the account's quota; the next interval tries again.
            except DhanError as error:
                logger.warning("%d silent instruments not seeded: %s", len(batch), error)
                await asyncio.sleep(PAUSE_AFTER_ERROR_SECONDS)
                continue
            self._requested.update(batch.values())
            self._seed(batch, quotes)

    def _choose(self, now: float) -> Mapping[InstrumentKey, int]:
        """Return at most one request's worth of silent instruments not requested before: ids by key."""
        silent: dict[InstrumentKey, int] = {}
        # In the order in which they were sent: spots first, since every chain depends on one.
        for connection in self._list_connections():
            silent |= connection.list_silent()
        self._silent_since = {one: self._silent_since.get(one, now) for one in silent.values()}
        # An instrument with a packet leaves both sets; if a later socket finds it silent, it is requested again.
        self._requested.intersection_update(self._silent_since)
        candidates = [
            (key, one)
            for key, one in silent.items()
            if one not in self._requested and now - self._silent_since[one] >= SILENT_SECONDS
        ]
        return dict(candidates[: dhan_api.MAX_KEYS_PER_REQUEST])

    def _seed(self, batch: Mapping[InstrumentKey, int], quotes: Mapping[InstrumentKey, Quote]) -> None:
        by_id = {batch[key]: quote for key, quote in quotes.items() if key in batch}
        rows = rows_of(by_id, received_at_ms=time.time_ns() // 1_000_000)
        taken = sum(one.table.seed(rows[rows["known"] != 0]) for one in self._list_connections())
        logger.info("%d silent instruments requested, %d seeded from the broker's snapshot", len(batch), taken)
