"""The quote hub: one per web process, between the board's frames and the process's browsers.

Theory of operation. The first browser starts the hub; it stops some time after the last has left. It joins
the frame channels, then asks every connection for a FULL frame, so that nothing falls between the two. A
gap, a new epoch or a lost bus makes a connection incomplete; an incomplete connection is asked again, and
when nobody answers within a second what Redis kept of it is taken in. Five tasks: one listens, one reads
the owners' reports, one the calendar, one judges the feed and asks, and one per browser sends (so that a browser that
does not read holds up nobody else). All of them share one event loop, so there is nothing to lock.

Decides nothing about rows (`mirror`), rates (`outbox`) or the status of the feed (`feed_status`).
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import orjson
from django.db import Error as DatabaseError

from marketdata import quote_board
from marketdata.domain.feed import ConnectionReport
from marketdata.domain.quote_rows import BusFrame, FrameError
from marketdata.domain.quote_state import Pulse, list_closed
from marketdata.domain.sessions import SessionBook
from marketdata.quote_board import BoardError, HubBoard
from marketdata.streaming.feed_status import FeedStatus, judge_feed
from marketdata.streaming.frames import CloseCode
from marketdata.streaming.messages import feed_message
from marketdata.streaming.mirror import Absorbed, QuoteMirror
from marketdata.streaming.outbox import CLOSE_AFTER_SECONDS, Outbox

logger = logging.getLogger(__name__)

BEAT_SECONDS: Final = 0.2
REPORTS_EVERY_SECONDS: Final = 0.5
CALENDAR_EVERY_SECONDS: Final = 30.0
ANSWER_WITHIN_SECONDS: Final = 1.0
FIRST_RETRY_SECONDS: Final = 0.2
LONGEST_RETRY_SECONDS: Final = 5.0

SendBytes = Callable[[bytes], Awaitable[None]]
SendText = Callable[[str], Awaitable[None]]
Clock = Callable[[], float]
ReadCalendar = Callable[[], Awaitable[SessionBook]]


class Client:
    """One browser at the hub: its outbox, and a bell for the task that sends."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self.outbox = outbox
        self._clock = clock
        self.sent_feed: FeedStatus | None = None
        self._ready = asyncio.Event()

    def watch(self, instrument_ids: Sequence[int]) -> None:
        """Watch exactly these instruments; a snapshot of them follows at once."""
        self.outbox.watch(instrument_ids)
        self._ready.set()

    def resync(self) -> None:
        """Send a snapshot at once."""
        self.outbox.resync()
        self._ready.set()

    def wake(self) -> None:
        """Let the sender look now."""
        self._ready.set()

    async def wait_until_due(self) -> None:
        """Return when something may be due, or one interval later."""
        now = self._clock()
        pause = self.outbox.seconds_until_due(now) or self.outbox.interval_seconds(now)
        try:
            async with asyncio.timeout(pause):
                await self._ready.wait()
        except TimeoutError:
            return
        self._ready.clear()


class QuoteHub:
    """Mirrors the board and serves browsers. Make one where the process starts and pass it down."""

    def __init__(
        self,
        *,
        connect: Callable[[], HubBoard] = quote_board.connect_hub,
        linger_seconds: float = 30.0,
        clock: Clock = time.monotonic,
        read_calendar: ReadCalendar | None = None,
    ) -> None:
        self.mirror = QuoteMirror()
        self.feed: FeedStatus | None = None
        self.epoch = int(time.time())
        self._connect = connect
        self._linger_seconds = linger_seconds
        self._clock = clock
        # Without it every weekday is an ordinary one.
        self._read_calendar = read_calendar
        self._clients: set[Client] = set()
        self._empty_since = 0.0
        self._runner: asyncio.Task[None] | None = None
        self._calendar = SessionBook()
        self._pulse = Pulse()
        self._reports: dict[int, ConnectionReport] | None = None
        self._has_read_reports = False
        self._last_frame_at: dict[int, float] = {}
        self._requested_at: dict[int, float] = {}
        self._has_read_cache: set[int] = set()

    async def add_client(self) -> Client:
        """Return a client for one browser; starts the hub if nobody was there."""
        client = Client(Outbox(epoch=self.epoch, now=self._clock()), self._clock)
        self._clients.add(client)
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run(), name="quote hub")
        return client

    def remove_client(self, client: Client) -> None:
        """Give a client up."""
        self._clients.discard(client)
        self._empty_since = self._clock()

    def count_browsers(self) -> int:
        """Return how many browsers are at the hub; from any thread."""
        return len(self._clients)

    def count_unacknowledged(self) -> int:
        """Return how many frames all browsers together have not acknowledged; from any thread."""
        return sum(client.outbox.unacknowledged for client in list(self._clients))

    async def aclose(self) -> None:
        """Stop now."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)

    async def serve(self, client: Client, *, send_bytes: SendBytes, send_text: SendText) -> CloseCode:
        """Send `client` what it is owed until cancelled; return the code to close with if it stops reading."""
        try:
            while not client.outbox.is_stalled(self._clock()):
                async with asyncio.timeout(CLOSE_AFTER_SECONDS):
                    await self._send_due(client, send_bytes, send_text)
                await client.wait_until_due()
        except TimeoutError:
            logger.info("a browser has not read for %s s", CLOSE_AFTER_SECONDS)
        return CloseCode.SLOW

    async def _send_due(self, client: Client, send_bytes: SendBytes, send_text: SendText) -> None:
        if self.feed is not None and client.sent_feed != self.feed:
            client.sent_feed = self.feed
            await send_text(orjson.dumps(feed_message(self.feed)).decode())
        now = self._clock()
        frame = client.outbox.next_frame(
            self.mirror, now=now, now_ms=time.time_ns() // 1_000_000, feed_age_ms=self._feed_age_ms(now)
        )
        if frame is not None:
            await send_bytes(frame)

    def _feed_age_ms(self, now: float) -> int | None:
        if not self._last_frame_at:
            return None
        return round((now - max(self._last_frame_at.values())) * 1_000)

    async def _run(self) -> None:
        """Live until `linger_seconds` after the last browser left: the outermost loop of the hub."""
        while self._has_clients():
            try:
                await self._mirror_board()
            except Exception:  # The one place: a bug here must neither freeze prices nor call them live.
                logger.exception("the quote hub failed and starts again")
                self._reports = None
                self._judge()
                await asyncio.sleep(FIRST_RETRY_SECONDS)
            finally:
                self._mark_incomplete()
        self.feed, self._has_read_reports = None, False

    def _has_clients(self) -> bool:
        return bool(self._clients) or self._clock() - self._empty_since < self._linger_seconds

    async def _mirror_board(self) -> None:
        board = self._connect()
        works = [self._listen(board), self._read_reports(board), self._refresh_calendar(), self._beat(board)]
        tasks = [asyncio.create_task(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            await _end(tasks)
            await board.aclose()

    async def _listen(self, board: HubBoard) -> None:
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                async with board.frames() as frames:
                    logger.info("joined the bus")
                    self._mark_incomplete()
                    for connection in quote_board.CONNECTION_NUMBERS:
                        await self._request_full_frame(connection, board)
                    async for frame in frames:
                        pause = FIRST_RETRY_SECONDS
                        await self._absorb(frame, board)
            except (BoardError, OSError, FrameError) as error:
                logger.warning("the bus is lost: %s", error)
            self._mark_incomplete()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter is no secret
            pause = min(pause * 2, LONGEST_RETRY_SECONDS)

    def _mark_incomplete(self) -> None:
        self.mirror.mark_incomplete()
        self._has_read_cache.clear()

    async def _request_full_frame(self, connection: int, board: HubBoard) -> None:
        self._requested_at[connection] = self._clock()
        await board.request_full_frame(connection)

    async def _absorb(self, frame: BusFrame, board: HubBoard) -> None:
        verdict = self.mirror.absorb(frame)
        now = self._clock()
        if verdict is Absorbed.APPLIED:
            self._last_frame_at[frame.connection] = now
        # Changes that overtook the answer to an ask are no reason to ask twice.
        if verdict is Absorbed.GAP and self._may_request(frame.connection, now):
            await self._request_full_frame(frame.connection, board)

    def _may_request(self, connection: int, now: float) -> bool:
        return now - self._requested_at.get(connection, 0.0) >= ANSWER_WITHIN_SECONDS

    async def _read_reports(self, board: HubBoard) -> None:
        while True:
            try:
                async with asyncio.timeout(REPORTS_EVERY_SECONDS):
                    listed = await board.list_reports()
                self._reports = {one.connection: one for one in listed}
                self._pulse.note((segment for one in listed for segment in one.ticking), now=self._clock())
            except (BoardError, OSError, TimeoutError):
                self._reports = None
            self._has_read_reports = True
            await asyncio.sleep(REPORTS_EVERY_SECONDS)

    async def _refresh_calendar(self) -> None:
        while True:
            if self._read_calendar is not None:
                try:
                    self._calendar = await self._read_calendar()
                except (DatabaseError, OSError) as error:
                    logger.warning("the market's sessions cannot be read: %s", type(error).__name__)
            await asyncio.sleep(CALENDAR_EVERY_SECONDS)

    def _list_closed(self, now: datetime) -> tuple[tuple[int, int], ...]:
        """Return the closed segments and since when; one in which owners saw trades just now is open."""
        ticking = self._pulse.list_ticking(now=self._clock())
        closed = list_closed(self._calendar, ticking=ticking, now=now)
        return tuple((int(segment), round(since.timestamp() * 1_000)) for segment, since in closed.items())

    async def _beat(self, board: HubBoard) -> None:
        """Judge the feed, and see to connections of which something is missing."""
        while self._has_clients():
            await asyncio.sleep(BEAT_SECONDS)
            if not self._has_read_reports:
                continue
            self._judge()
            try:
                async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                    await self._repair(board)
            except (BoardError, OSError, TimeoutError) as error:
                logger.debug("cannot read what is kept: %s", error)

    def _judge(self) -> None:
        feed = judge_feed(reports=self._reports, last_frame_at=self._last_frame_at, now=self._clock())
        feed = replace(feed, closed=self._list_closed(datetime.now(tz=UTC)))
        if feed != self.feed:
            logger.info("the feed is %s, %s connections live", feed.state, feed.live_count)
            self.feed = feed
            for client in self._clients:
                client.wake()

    async def _repair(self, board: HubBoard) -> None:
        now = self._clock()
        for connection in self.mirror.list_incomplete():
            if not self._may_request(connection, now):
                continue
            if connection not in self._has_read_cache:
                self._has_read_cache.add(connection)
                self.mirror.absorb_cached(connection, *await board.read_cache(connection))
            await self._request_full_frame(connection, board)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: redis-py swallows a cancellation that meets it while it connects."""
    while pending := [one for one in tasks if not one.done()]:
        for one in pending:
            one.cancel()
        await asyncio.wait(pending, timeout=BEAT_SECONDS)
