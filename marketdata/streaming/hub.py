"""The quote hub: one per web process; fans the board's frames out to the browsers of the process.

Theory of operation. The first client starts the hub; it stops `linger_seconds` after the last client has left.

1. Subscribe to the frame channels, then request a FULL frame of every connection. In this order no change is lost
   between the snapshot and the stream.
2. A gap in the sequence, a new epoch or a lost bus makes a connection incomplete. The hub requests another FULL frame.
   If none arrives within a second, it shows the last-value cache of that connection.
3. Seven tasks: absorb frames, read the owners' reports, read the calendar, read how many instruments are live, forward
   changes of what viewers see, read first details, judge the feed and repair. One more task per client
   sends, so that a client that does not read delays no other. All share one event loop; no lock is needed.

Decides nothing about rows (`mirror`), rates (`outbox`) or the status of the feed (`feed_status`).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import orjson
from django.db import Error as DatabaseError

from marketdata import derived_board, quote_board
from marketdata.derived_board import DerivedSubscriber
from marketdata.domain.changes import Changes
from marketdata.domain.feed import ConnectionMeasurements, ConnectionReport
from marketdata.domain.quote_rows import BusFrame, FrameError
from marketdata.domain.sessions import SessionBook
from marketdata.quote_board import BoardError, HubBoard
from marketdata.streaming.client import Client, Clock
from marketdata.streaming.derived_mirror import DerivedMirror
from marketdata.streaming.detail_reader import DetailReader
from marketdata.streaming.feed_status import FeedStatus, Room, judge_feed
from marketdata.streaming.frames import CloseCode, encode_status
from marketdata.streaming.hours import MarketHours
from marketdata.streaming.messages import feed_message, room_message
from marketdata.streaming.mirror import Absorbed, QuoteMirror
from marketdata.streaming.moments import Moments
from marketdata.streaming.outbox import CLOSE_AFTER_SECONDS, Outbox
from marketdata.streaming.reconnects import ReconnectTracker
from marketdata.streaming.tasks import run_until_first_ends, wait_to_retry

logger = logging.getLogger(__name__)

# Chosen: with SILENT_AFTER_SECONDS of 1.6 s, browsers learn of a silent connection within 2 s.
BEAT_SECONDS: Final = 0.2
# Chosen: half of the owners' interval of 1 s, so that a report is at most 0.5 s old here.
REPORTS_EVERY_SECONDS: Final = 0.5
# Chosen: sessions change on the minute and staff edit them rarely; two queries a minute per process.
CALENDAR_EVERY_SECONDS: Final = 30.0
# Chosen: a trader sees soon that the room ends; one query per process, however many browsers there are.
ROOM_EVERY_SECONDS: Final = 5.0
# Chosen: ten flushes (FLUSH_MS is 100): an owner that is alive answers a request with one of the next frames.
ANSWER_WITHIN_SECONDS: Final = 1.0
# Chosen: short, to follow a restart of Redis closely; the cap spares one that is down.
FIRST_RETRY_SECONDS: Final = 0.2

SendBytes = Callable[[bytes], Awaitable[None]]
SendText = Callable[[str], Awaitable[None]]
ReadCalendar = Callable[[], Awaitable[SessionBook]]
ReadRoom = Callable[[], Awaitable[Room]]
NoteChanges = Callable[[Changes], None]


class QuoteHub:
    """Mirrors the quote board and serves clients. Make one where the process starts and pass it down."""

    def __init__(
        self,
        *,
        connect: Callable[[], HubBoard] = quote_board.connect_hub,
        linger_seconds: float = 30.0,
        send_timeout_seconds: float = CLOSE_AFTER_SECONDS,
        clock: Clock = time.monotonic,
        read_calendar: ReadCalendar | None = None,
        read_room: ReadRoom | None = None,
        room_every_seconds: float = ROOM_EVERY_SECONDS,
        note_changes: NoteChanges | None = None,
        connect_derived: Callable[[], DerivedSubscriber] | None = derived_board.connect_subscriber,
    ) -> None:
        self.mirror = QuoteMirror()
        self.derived = DerivedMirror()
        self.feed: FeedStatus | None = None
        self.room: Room | None = None
        # Seconds since 1970 differ between two runs of a process: a browser that reconnects sees the new epoch.
        self.epoch = int(time.time())
        self._connect = connect
        self._linger_seconds = linger_seconds
        self._send_timeout_seconds = send_timeout_seconds
        self._clock = clock
        # Without it every weekday has the ordinary hours.
        self._read_calendar = read_calendar
        # None for a process that shows no room.
        self._read_room = read_room
        self._room_every_seconds = room_every_seconds
        # Receives every published change of what viewers see; EVERYTHING after a loss of the bus.
        self._note_changes = note_changes
        # None for a process that shows no analytics.
        self._connect_derived = connect_derived
        self._derived_at = 0.0
        self._clients: set[Client] = set()
        self._moments = Moments()
        self._empty_since = 0.0
        self._runner: asyncio.Task[None] | None = None
        self._hours = MarketHours()
        self._reconnects = ReconnectTracker()
        self._reports: dict[int, ConnectionReport] | None = None
        self._has_read_reports = False
        self._last_frame_at: dict[int, float] = {}
        # Of the newest frame of each connection, with its time of arrival.
        self._measurements: dict[int, tuple[ConnectionMeasurements, float]] = {}
        self._requested_at: dict[int, float] = {}
        self._detail_reader = DetailReader(self.mirror.details)
        self._has_read_cache: set[int] = set()

    async def add_client(self) -> Client:
        """Return the client object of one browser; starts the hub if it is not running."""
        client = Client(Outbox(epoch=self.epoch, now=self._clock()), self._clock)
        self._clients.add(client)
        # The runner ends after a time without clients; `add_client` and its end share the event loop, so none is lost.
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run(), name="quote hub")
        return client

    def remove_client(self, client: Client) -> None:
        """Remove the client of a closed browser socket."""
        self._clients.discard(client)
        self._empty_since = self._clock()
        self.watch_details(client, ())

    def watch_details(self, client: Client, instrument_ids: Sequence[int]) -> None:
        """Replace the instruments whose details `client` gets; what is known of them follows at once."""
        if client.details.instrument_ids != tuple(instrument_ids):
            client.details.watch(instrument_ids)
            self._detail_reader.watch(self._clients)
            client.wake()

    def count_browsers(self) -> int:
        """Return the number of connected browsers; callable from any thread."""
        return len(self._clients)

    def count_unacknowledged(self) -> int:
        """Return the number of unacknowledged frames of all browsers; callable from any thread."""
        # A copy: the event loop may add a client while a metrics thread counts.
        return sum(client.outbox.unacknowledged for client in list(self._clients))

    async def aclose(self) -> None:
        """Cancel the hub's task and wait for its end."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)

    async def serve(self, client: Client, *, send_bytes: SendBytes, send_text: SendText) -> CloseCode:
        """Send status and frames to `client` until cancelled; return the close code if it stops reading."""
        try:
            while not client.outbox.is_stalled(self._clock()):
                # A second limit beside the acknowledgements: uvicorn blocks in `send` when the socket's buffer is full.
                async with asyncio.timeout(self._send_timeout_seconds):
                    await self._send_due(client, send_bytes, send_text)
                await client.wait_until_due()
        except TimeoutError:
            logger.info("closing a browser socket: one send blocked for %s s", self._send_timeout_seconds)
        return CloseCode.SLOW

    async def _send_due(self, client: Client, send_bytes: SendBytes, send_text: SendText) -> None:
        # By identity: `_judge` replaces the object only when the status changes, and this runs per client and interval.
        news, now = self.feed if client.sent_feed is not self.feed else None, self._clock()
        # The frame first: with the status a page shows the rows as live that it has, and after an outage those are old.
        moment = self._moments.get(
            client.outbox.rate_hz,
            now=now,
            now_ms=time.time_ns() // 1_000_000,
            version=self.mirror.version,
            status=lambda: encode_status(self._feed_age_ms(now), self._age_measurements(now)),
        )
        frame = client.outbox.next_frame(self.mirror, moment, at_once=news is not None)
        if frame is not None:
            await send_bytes(frame)
        # Not to a browser that is behind with its quotes.
        if not client.outbox.is_blocked:
            for payload in client.other_frames(self.mirror.details, self.derived, now=now, now_ms=moment.now_ms):
                await send_bytes(payload)
            room = self.room
            if room is not None and room is not client.sent_room:
                client.sent_room = room
                await send_text(orjson.dumps(room_message(room)).decode())
        if news is None or (client.outbox.is_blocked and frame is None and news.makes_rows_live(client.sent_feed)):
            return
        client.sent_feed = news
        await send_text(orjson.dumps(feed_message(news)).decode())

    def _feed_age_ms(self, now: float) -> int | None:
        if not self._last_frame_at:
            return None
        return round((now - max(self._last_frame_at.values())) * 1_000)

    def _age_measurements(self, now: float) -> dict[int, ConnectionMeasurements]:
        return {
            number: measurements.aged(milliseconds=round((now - at) * 1_000))
            for number, (measurements, at) in self._measurements.items()
        }

    async def _run(self) -> None:
        """Mirror the board until `linger_seconds` after the last client left: the outermost loop of the hub."""
        while self._has_clients():
            try:
                await self._mirror_board()
            except Exception:  # The outermost loop: after a bug, prices must neither freeze nor read as live.
                logger.exception("quote hub failed; restarting it in %s s", FIRST_RETRY_SECONDS)
                # Browsers get BUS_LOST at once instead of the last status from before the failure.
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
        works.append(self._detail_reader.run(board))
        if self._note_changes is not None:
            works.append(self._listen_changes(board, self._note_changes))
        if self._read_room is not None:
            works.append(self._refresh_room(self._read_room))
        derived = None if self._connect_derived is None else self._connect_derived()
        if derived is not None:
            works.append(self._listen_derived(derived))
        try:
            # Only `_beat` ends normally, without clients. Any other end is an exception.
            await run_until_first_ends(works)
        finally:
            await board.aclose()
            if derived is not None:
                await derived.aclose()

    async def _listen(self, board: HubBoard) -> None:
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                async with board.frames() as frames:
                    logger.info("subscribed to the frames of %d connections", len(quote_board.CONNECTION_NUMBERS))
                    self._mark_incomplete()
                    for connection in quote_board.CONNECTION_NUMBERS:
                        await self._request_full_frame(connection, board)
                    async for frame in frames:
                        # A frame proves Redis: only now is the backoff reset.
                        pause = FIRST_RETRY_SECONDS
                        await self._absorb(frame, board)
            except (BoardError, OSError, FrameError) as error:
                logger.warning("bus lost (%s); subscribing again within %.1f s", error, pause)
            self._mark_incomplete()
            pause = await wait_to_retry(pause)

    async def _listen_derived(self, board: DerivedSubscriber) -> None:
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                async with board.frames() as frames:
                    self.derived.absorb_cached(*await board.read_caches())
                    async for frame in frames:
                        pause = FIRST_RETRY_SECONDS
                        self._derived_at = self._clock()
                        # A row that a gap has left out comes again with the next FULL frame, seconds later.
                        self.derived.absorb(frame)
            except (BoardError, OSError, FrameError) as error:
                logger.debug("analytics not readable (%s); subscribing again within %.1f s", error, pause)
            pause = await wait_to_retry(pause)

    def _expire_derived(self) -> None:
        """Make analytics unknown where their worker has stopped."""
        if self.derived.is_known and self._clock() - self._derived_at > derived_board.STALE_SECONDS:
            logger.info("no analytics for %.0f s: they are unknown", derived_board.STALE_SECONDS)
            self.derived.expire()

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
        if verdict is not Absorbed.OLD:
            before = self._measurements.get(frame.connection)
            self._measurements[frame.connection] = frame.measurements, now
            is_news = before is None or before[0].delivery.condition is not frame.delivery
            # At once and not with the next beat: rows that stand still must not be shown as live.
            if is_news and self._has_read_reports:
                self._judge()
        # The changes between a request and its FULL frame read as gaps too: they must not cause a second request.
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
                self._reconnects.note(self._reports, now_ms=time.time_ns() // 1_000_000)
                self._hours.note_trades((segment for one in listed for segment in one.ticking), clock=self._clock())
            except (BoardError, OSError, TimeoutError):
                # Once for each loss. Owners drop what Redis does not take, and a frame that it delivers late, when it
                # answers again, has old prices: only a FULL frame makes a connection live again.
                if self._reports is not None:
                    self._mark_incomplete()
                self._reports = None
            self._has_read_reports = True
            await asyncio.sleep(REPORTS_EVERY_SECONDS)

    async def _refresh_calendar(self) -> None:
        while True:
            if self._read_calendar is not None:
                try:
                    self._hours.calendar = await self._read_calendar()
                except (DatabaseError, OSError) as error:
                    logger.warning("market calendar not readable (%s); using the former one", type(error).__name__)
            await asyncio.sleep(CALENDAR_EVERY_SECONDS)

    async def _refresh_room(self, read: ReadRoom) -> None:
        while True:
            try:
                room = await read()
            except (DatabaseError, OSError) as error:
                logger.debug("room not readable (%s): it is unknown", type(error).__name__)
                room = Room()
            # By identity: a client is sent only another value.
            if room != self.room:
                self.room = room
            await asyncio.sleep(self._room_every_seconds)

    async def _listen_changes(self, board: HubBoard, note: NoteChanges) -> None:
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                async for changes in board.changes():
                    pause = FIRST_RETRY_SECONDS
                    note(changes)
            except (BoardError, OSError, TimeoutError) as error:
                logger.debug("changes not readable (%s); again within %.1f s", type(error).__name__, pause)
            pause = await wait_to_retry(pause)

    async def _beat(self, board: HubBoard) -> None:
        """Judge the feed and repair incomplete connections, five times a second."""
        while self._has_clients():
            await asyncio.sleep(BEAT_SECONDS)
            # Without the first reports, the feed would read as BUS_LOST for half a second after each start.
            if not self._has_read_reports:
                continue
            self._judge()
            self._expire_derived()
            try:
                async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                    await self._repair(board)
            except (BoardError, OSError, TimeoutError) as error:
                logger.debug("last-value cache not readable: %s", error)

    def _judge(self) -> None:
        feed = judge_feed(
            reports=self._reports,
            last_frame_at=self._last_frame_at,
            now=self._clock(),
            deliveries={
                number: measurements.delivery.condition for number, (measurements, _) in self._measurements.items()
            },
        )
        feed = self._hours.complete(feed, now=datetime.now(tz=UTC), clock=self._clock())
        feed = replace(feed, last_reconnect=self._reconnects.last)
        if feed != self.feed:
            logger.info("feed is %s: %d of %d connections live", feed.state, feed.live_count, len(feed.connections))
            self.feed = feed
            for client in self._clients:
                client.wake()

    async def _repair(self, board: HubBoard) -> None:
        now = self._clock()
        for connection in self.mirror.list_incomplete():
            if not self._may_request(connection, now):
                continue
            # Once after each loss of the bus: the cache is up to 930 kB and does not change without an owner.
            if connection not in self._has_read_cache:
                self._has_read_cache.add(connection)
                self.mirror.absorb_cached(connection, *await board.read_cache(connection))
            await self._request_full_frame(connection, board)
