"""Publishes the quote table of one connection: a frame per flush, the last-value cache and a report each second.

Every frame carries the epoch of the lease, the fencing token, and a sequence. While Redis is unreachable frames are
lost and counted, and the socket keeps streaming.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final

from django.db import Error as DatabaseError

from marketdata.domain.feed import (
    STARVED_SECONDS,
    ConnectionMeasurements,
    ConnectionReport,
    ConnectionState,
    Delivery,
)
from marketdata.domain.quote_rows import BusFrame, FrameKind, Rows
from marketdata.domain.tick_rules import day_in_india
from marketdata.quote_board import BoardError, OwnerBoard, StaleEpoch, pack_keys
from subscriptions.domain.commands import Modes
from subscriptions.feed.connection.life import ConnectionLifecycle
from subscriptions.feed.publishing.states import write_state
from subscriptions.feed.publishing.statistics import ConnectionStatistics
from subscriptions.feed.threads import reraise_cancellation, run_in_thread

logger = logging.getLogger(__name__)

# Chosen: readers see each second that the owner lives, also where nothing trades.
KEEPALIVE_FRAME_SECONDS: Final = 1.0
# Chosen: a market's worth of unsubscribes takes seconds; a full frame per flush would be 10 MB/s a connection.
FULL_AGAIN_SECONDS: Final = 1.0
# Chosen: a page that opens shows values at most this old until the first frame.
CACHE_SECONDS: Final = 1.0
# Chosen: the longest time for which an emptied Redis lacks rows that do not change.
CACHE_REWRITE_SECONDS: Final = 30.0
# Chosen: a fifth of the time after which a report expires (`quote_board.REPORT_TTL_SECONDS`).
REPORT_SECONDS: Final = 1.0
# Chosen: the longest delay of a flush by one write; a hung Redis must not stop the flush.
BOARD_SECONDS: Final = 1.0
# Chosen: a busy loop ends a pause between two flushes by less too late; after a longer time the process was suspended.
SUSPENDED_SECONDS: Final = 1.0
# Chosen: above the due rate by chance and by bursts; a backlog comes many times as fast.
BACKLOG_RATE: Final = 2.0
# Chosen: so many flushes at the usual rate in a row end a backlog, also where the sender pauses within it.
USUAL_FLUSHES: Final = 3
# Chosen: three seconds; a market that is twice as fast after a suspension must not hide its prices for longer.
BACKLOG_FLUSHES: Final = 30


class Publisher:
    """The publishing tasks of one connection."""

    def __init__(self, connection: ConnectionLifecycle, board: OwnerBoard, *, name: str, flush_seconds: float) -> None:
        self._connection = connection
        self._board = board
        self._name = name
        self._flush_seconds = flush_seconds
        self._sequence = 0
        self._is_full_frame_requested = False
        self._published_delivery = Delivery.FLOWING
        self._trade_lag_seconds: float | None = None
        self._statistics = ConnectionStatistics(connection)
        self._lost_in_a_row = 0
        self._recorded: tuple[ConnectionState, str, int] | None = None
        self._record_soon = asyncio.Event()
        self._sent: Modes | None = None
        self._packed_sent = b""

    def request_full_frame(self) -> None:
        """Publish one full frame with the next flush."""
        self._is_full_frame_requested = True

    async def run(self) -> None:
        """Flush, cache, report and record until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._flush_forever())
            group.create_task(self._cache_forever())
            group.create_task(self._report_forever())
            group.create_task(self._record_forever())

    async def withdraw(self) -> None:
        """Delete the report and record the last state, after the connection was released."""
        lease = self._connection.lease
        await self._write(self._board.withdraw(connection=lease.connection, epoch=lease.epoch))
        await self._record_state()

    async def _flush_forever(self) -> None:
        loop = asyncio.get_running_loop()
        next_at = published_at = full_frame_at = loop.time()
        while True:
            # A frame makes the rows live again. What came while the process was suspended must be in them. Only the
            # pause is measured: writes to a Redis that hangs take seconds too.
            if loop.time() - next_at > SUSPENDED_SECONDS:
                await self._drain_backlog()
            # The delay of the flush is the lag of the event loop; decoding is measured apart from publishing.
            begun_at = loop.time()
            self._connection.note_ticking(self._statistics.list_ticking())
            self._connection.drain()
            rows = self._connection.table.take_changes()
            self._statistics.note_flush(rows, late_seconds=begun_at - next_at, took_seconds=loop.time() - begun_at)
            is_news = self._connection.delivery.condition is not self._published_delivery
            if len(rows) or is_news or loop.time() - published_at >= KEEPALIVE_FRAME_SECONDS:
                # The sequence grows even if Redis does not take the frame: a reader sees the gap and asks.
                self._sequence += 1
                is_taken = await self._publish(FrameKind.CHANGES, rows)
                published_at = loop.time()
                if is_taken:
                    self._statistics.note_published(lag_seconds=published_at - next_at)
            # Changes do not show removed rows: a mirror drops each row that a full frame lacks. It goes out under the
            # last sequence, since it adds nothing to the changes up to there.
            is_full_frame_needed = loop.time() >= full_frame_at and self._connection.take_full_frame_need()
            if is_full_frame_needed:
                full_frame_at = loop.time() + FULL_AGAIN_SECONDS
            if self._is_full_frame_requested or is_full_frame_needed:
                self._is_full_frame_requested = False
                await self._publish(FrameKind.FULL, self._connection.table.all_rows())
            # A late flush delays the following ones instead of running them in a burst.
            next_at = max(next_at + self._flush_seconds, loop.time())
            await asyncio.sleep(next_at - loop.time())

    async def _drain_backlog(self) -> None:
        """Drain until the packets come at the usual rate: a socket is read piece by piece, and the sender's follow."""
        due = self._connection.delivery.due
        most = BACKLOG_RATE * due / STARVED_SECONDS * self._flush_seconds
        usual = 0
        for _ in range(BACKLOG_FLUSHES):
            await asyncio.sleep(self._flush_seconds)
            # In the first seconds of a connection it is not known how many are due.
            usual = usual + 1 if self._connection.drain() <= most or not due else 0
            if usual == USUAL_FLUSHES:
                return

    async def _publish(self, kind: FrameKind, rows: Rows) -> bool:
        lease, now_ms, measurements = self._connection.lease, _now_ms(), self._read_measurements()
        frame = BusFrame(kind, lease.connection, lease.epoch, self._sequence, now_ms, rows, measurements)
        is_taken = await self._write(self._board.publish(frame))
        if is_taken:
            self._published_delivery = measurements.delivery.condition
        return is_taken

    def _read_measurements(self) -> ConnectionMeasurements:
        last_packet_at_ms = self._connection.last_packet_at_ms
        age_ms = None if last_packet_at_ms is None else max(0, _now_ms() - last_packet_at_ms)
        return ConnectionMeasurements(self._connection.delivery, age_ms, self._trade_lag_seconds)

    async def _cache_forever(self) -> None:
        loop = asyncio.get_running_loop()
        rewrite_at = loop.time()
        while True:
            # First, because volumes that change by it belong to the rows that are written below.
            await self._write(self._share_volumes())
            # Redis may have been emptied since the last write, so all rows are written at the start, after a failure
            # and on a slow beat. Both takes come before the await, so no change falls between them.
            is_rewrite = loop.time() >= rewrite_at
            uncached = self._connection.table.take_uncached()
            removed = sorted(self._connection.take_removed_ids())
            rows = self._connection.table.all_rows() if is_rewrite else uncached
            is_cached = await self._write(self._cache(rows, removed, is_rewrite=is_rewrite))
            if not is_cached:
                rewrite_at = loop.time()
            elif is_rewrite:
                rewrite_at = loop.time() + CACHE_REWRITE_SECONDS
            await asyncio.sleep(CACHE_SECONDS)

    async def _cache(self, rows: Rows, removed: Sequence[int], *, is_rewrite: bool) -> bool:
        """Write rows to the last-value cache; a newer epoch there closes the fence."""
        lease, fence = self._connection.lease, self._connection.fence
        try:
            is_cached = await self._board.cache_rows(
                connection=lease.connection,
                epoch=lease.epoch,
                rows=rows,
                dropped=removed,
                replace_all=is_rewrite,
                overrule=fence.is_board_wrong,
            )
        except StaleEpoch:
            fence.note_superseded()
            self._connection.check_fence()
            return False
        fence.note_announced()
        return is_cached

    async def _share_volumes(self) -> None:
        """Continue the volumes that other owners of these instruments have counted, and note ours for the next one."""
        # In this order: a volume of which this owner has not seen all wraps must not replace a noted one.
        now_ms, table = _now_ms(), self._connection.table
        day = day_in_india(now_ms)
        table.recall_volumes(await self._board.read_volumes(day), now_ms=now_ms)
        await self._board.note_volumes(day, table.list_large_volumes())

    async def _report_forever(self) -> None:
        packets, at = 0, time.monotonic()
        while True:
            counters = self._connection.table.counters
            # Counters begin at 0 with each socket, so fewer packets than before are all new.
            new, seconds = counters.packets - min(packets, counters.packets), time.monotonic() - at
            packets, at = counters.packets, time.monotonic()
            report = self._report(new / seconds if seconds > 0 else 0.0)
            await self._write(self._board.report(report, self._pack_sent()))
            self._record_soon.set()
            # A change of state is reported at once, without waiting for the next second.
            with suppress(TimeoutError):
                async with asyncio.timeout(REPORT_SECONDS):
                    await self._connection.wait_reportable()

    def _pack_sent(self) -> bytes:
        # The plan makes a new mapping with every request, so the same object means the same keys.
        if self._sent is not self._connection.plan.sent:
            self._sent = self._connection.plan.sent
            self._packed_sent = pack_keys(self._sent)
        return self._packed_sent

    async def _record_forever(self) -> None:
        """Record the state in a task beside the reports: a database that hangs must not make reports expire."""
        while True:
            await self._record_soon.wait()
            self._record_soon.clear()
            await self._record_state()

    def _report(self, packets_per_second: float) -> ConnectionReport:
        connection = self._connection
        # Once a second: a median over thousands of trades costs too much for each frame.
        self._trade_lag_seconds = self._statistics.trade_lag_seconds()
        return ConnectionReport(
            connection=connection.lease.connection,
            owner=self._name,
            epoch=connection.lease.epoch,
            state=connection.state,
            wanted=len(connection.plan.wanted),
            sent=len(connection.plan.sent) if connection.has_socket else 0,
            streaming=connection.table.streaming if connection.has_socket else 0,
            packets=connection.table.counters.packets,
            packets_per_second=round(packets_per_second, 1),
            last_packet_at_ms=connection.last_packet_at_ms,
            reported_at_ms=_now_ms(),
            last_error=connection.last_error,
            statistics=self._statistics.read(),
            ticking=tuple(self._statistics.list_ticking()),
            delivery=connection.delivery,
            is_retrying=connection.is_retrying,
            trade_lag_seconds=self._trade_lag_seconds,
        )

    async def _record_state(self) -> None:
        """Write the state to `feed_connections` if it changed; after an error the next report tries again."""
        connection = self._connection
        state = connection.state, connection.last_error, connection.failed_turns
        if state == self._recorded:
            return
        try:
            await run_in_thread(write_state, connection.lease, *state)
        except DatabaseError as error:
            logger.warning("connection %d: state %s not recorded (%s)", connection.lease.connection, state[0], error)
        else:
            self._recorded = state

    async def _write(self, write: Coroutine[Any, Any, bool | None]) -> bool:
        """Return whether the board took the write; log once when it stops taking writes and once when it resumes."""
        number = self._connection.lease.connection
        try:
            async with asyncio.timeout(BOARD_SECONDS):
                is_taken = await write is not False
        except (BoardError, OSError) as error:  # TimeoutError is an OSError.
            self._statistics.note_lost_write()
            self._lost_in_a_row += 1
            if self._lost_in_a_row == 1:
                logger.warning("connection %d: Redis does not take writes (%s)", number, type(error).__name__)
            return False
        else:
            self._connection.fence.note_board()
        finally:
            reraise_cancellation()  # redis-py can swallow it, and the worker would wait for this task.
        if self._lost_in_a_row:
            logger.warning("connection %d: Redis takes writes again, %d lost", number, self._lost_in_a_row)
            self._lost_in_a_row = 0
        return is_taken


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
