"""Seeds instruments without a packet from the broker's REST snapshot.

So a closed market shows closing values, and an illiquid strike shows its last ones. A snapshot never overwrites a
packet of the same socket, and its row says that it is a snapshot. One task seeds for all connections of a worker,
because the broker's rate limit is for the account; it shares the turn of the account with other processes
(`rest_board`).

What an answer lacks is requested again later, and a request that fails as a whole is split (`domain.snapshot_batches`);
one that says nothing about its instruments (no response, rate limit, login) is followed by a growing pause. No failure
ends the task: prices come without snapshots.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

from django.conf import settings

from marketdata import dhan_api, rest_board
from marketdata.dhan.credentials import Credentials
from marketdata.dhan.quote_table import QuoteTable
from marketdata.dhan_api import DhanError, DhanUnreachable, RequestRefused
from marketdata.domain.backoff import seconds_after
from marketdata.domain.instruments import InstrumentKey
from marketdata.domain.quote_rows import rows_of
from marketdata.domain.quotes import Quote
from marketdata.quote_board import BoardError
from marketdata.rest_board import Turn
from subscriptions.domain.snapshot_batches import FIRST_WAIT_SECONDS, SnapshotBatches

logger = logging.getLogger(__name__)

# docs/dhan.md: one quote request a second for the account; 1.1 s is safe.
CALL_INTERVAL_SECONDS: Final = 1.1
# Chosen: longer than the pause of a trader who waits for the turn (`price_requests.PAUSE_SECONDS`), who goes first.
TURN_PAUSE_SECONDS: Final = 0.2
# Chosen: leaves time for first packets, so that few instruments that trade are requested.
SILENT_SECONDS: Final = 3.0
FIRST_PAUSE_SECONDS: Final = 2.2  # Chosen: twice the interval.
# Chosen: no response, a rate limit or a refused login lasts minutes, and packets come without snapshots.
LONGEST_PAUSE_SECONDS: Final = 300.0
# Chosen: shorter where the broker answered. The next request names other instruments and may succeed.
LONGEST_PAUSE_AFTER_ANSWER_SECONDS: Final = 30.0

ReadCurrentCredentials = Callable[[], Awaitable[Credentials | None]]
"""Return the present credentials; None while none are stored."""


class SilentConnection(Protocol):
    """The part of a connection that seeding uses."""

    @property
    def table(self) -> QuoteTable: ...
    def list_silent(self) -> Mapping[InstrumentKey, int]: ...


class Seeder:
    """Seeds the quote tables of one worker's connections."""

    def __init__(
        self,
        list_connections: Callable[[], Sequence[SilentConnection]],
        read_credentials: ReadCurrentCredentials,
        *,
        first_wait_seconds: float = FIRST_WAIT_SECONDS,
    ) -> None:
        self._list_connections = list_connections
        self._read_credentials = read_credentials
        self._silent_since: dict[int, float] = {}
        self._batches = SnapshotBatches(most=dhan_api.MAX_KEYS_PER_REQUEST, first_wait_seconds=first_wait_seconds)
        self._failures_in_a_row = 0
        self._problem = ""

    async def run(self) -> None:
        """Request one batch per interval until cancelled."""
        pause = CALL_INTERVAL_SECONDS
        while True:
            await asyncio.sleep(pause)
            batch = self._choose(time.monotonic())
            try:
                pause = await self._request(batch)
            except Exception:  # The outermost loop of this task: an error in it must not close five sockets.
                logger.exception("seeding failed; the batch of %d instruments is split", len(batch))
                pause = self._note_failed(batch)

    async def _request(self, batch: Mapping[InstrumentKey, int]) -> float:
        """Request and seed one batch; return the pause before the next one, in seconds."""
        credentials = await self._read_credentials() if batch else None
        if credentials is None:
            return CALL_INTERVAL_SECONDS
        try:
            if await asyncio.to_thread(_take_turn) is not Turn.TAKEN:
                return TURN_PAUSE_SECONDS
        except BoardError:  # Redis is unreachable: no frame would show a seeded price either.
            return CALL_INTERVAL_SECONDS
        try:
            quotes = await asyncio.to_thread(dhan_api.fetch_quotes, list(batch), credentials=credentials)
        except DhanError as error:
            self._log_once(f"{len(batch)} silent instruments not seeded: {error}", problem=str(error))
            return self._note_failed(batch) if _is_about_batch(error) else self._pause(LONGEST_PAUSE_SECONDS)
        self._failures_in_a_row, self._problem = 0, ""
        self._seed(batch, quotes)
        self._batches.note_answered(batch.values(), now=time.monotonic())
        return CALL_INTERVAL_SECONDS

    def _choose(self, now: float) -> Mapping[InstrumentKey, int]:
        """Return at most one request's worth of silent instruments: ids by key."""
        silent: dict[InstrumentKey, int] = {}
        # Spots first, since every chain depends on one.
        for connection in self._list_connections():
            silent |= connection.list_silent()
        self._silent_since = {one: self._silent_since.get(one, now) for one in silent.values()}
        self._batches.retain(self._silent_since.keys())
        key_of = {one: key for key, one in silent.items() if now - self._silent_since[one] >= SILENT_SECONDS}
        return {key_of[one]: one for one in self._batches.choose(key_of, now=now)}

    def _note_failed(self, batch: Mapping[InstrumentKey, int]) -> float:
        self._batches.note_failed(batch.values(), now=time.monotonic())
        return self._pause(LONGEST_PAUSE_AFTER_ANSWER_SECONDS)

    def _pause(self, longest: float) -> float:
        """Return the pause after one more failure in a row, in seconds: doubled each time, up to `longest`."""
        self._failures_in_a_row += 1
        return seconds_after(self._failures_in_a_row, first=FIRST_PAUSE_SECONDS, longest=longest)

    def _log_once(self, line: str, *, problem: str) -> None:
        """Log a problem when it begins."""
        if problem != self._problem:
            logger.warning(line)
        self._problem = problem

    def _seed(self, batch: Mapping[InstrumentKey, int], quotes: Mapping[InstrumentKey, Quote]) -> None:
        by_id = {batch[key]: quote for key, quote in quotes.items()}
        rows = rows_of(by_id, received_at_ms=time.time_ns() // 1_000_000)
        taken = sum(one.table.seed(rows[rows["known"] != 0]) for one in self._list_connections())
        logger.info(
            "%d silent instruments requested, %d answered, %d seeded from the broker's snapshot",
            len(batch),
            len(quotes),
            taken,
        )


def _take_turn() -> Turn:
    return rest_board.connect().take_turn(settings.DHAN_QUOTE_INTERVAL_MS)


def _is_about_batch(error: DhanError) -> bool:
    """Return whether the broker's answer to another batch may be another one."""
    return isinstance(error, RequestRefused) or (isinstance(error, DhanUnreachable) and error.is_answered)
