"""Quote table to quote board: one frame per flush, the newest rows kept for late comers, a report each second.

Frames carry the epoch of the lease and a sequence that moves on even when Redis does not take them, so that a
reader sees the gap and asks; an ask is answered with one full frame under the sequence of the last changes. Such
a frame also says what is gone: it goes out when rows have left the table, at most once a second. A
frame goes out at least once a second, empty if need be, as a sign of life. Kept rows are written anew on
start, after any failure and now and then, because Redis may have been emptied in between. When Redis is down
all this is lost and counted, and the socket streams on.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from django.db import Error as DatabaseError

from marketdata.domain.feed import ConnectionReport
from marketdata.domain.quote_rows import BusFrame, FrameKind, Rows
from marketdata.quote_board import BoardError, OwnerBoard, StaleEpoch
from subscriptions.feed.connection.owner import Owner
from subscriptions.feed.publishing.states import StateNote, write_state
from subscriptions.feed.publishing.statistics import ConnectionStatistics
from subscriptions.feed.threads import reraise_cancellation, run_in_thread

logger = logging.getLogger(__name__)

KEEPALIVE_FRAME_SECONDS: Final = 1.0
FULL_AGAIN_SECONDS: Final = 1.0
"""A market's worth of unsubscribes takes seconds; a full frame with every flush would be 10 MB/s a connection."""
CACHE_SECONDS: Final = 1.0
CACHE_REWRITE_SECONDS: Final = 30.0
REPORT_SECONDS: Final = 1.0
BOARD_SECONDS: Final = 1.0
"""How long one write to the board may take; a hung Redis must not stop the flush."""


class Publisher:
    """Publishes what one owner has."""

    def __init__(self, owner: Owner, board: OwnerBoard, *, name: str, flush_seconds: float) -> None:
        self._owner = owner
        self._board = board
        self._name = name
        self._flush_seconds = flush_seconds
        self._sequence = 0
        self._is_asked = False
        self._statistics = ConnectionStatistics(owner)
        self._lost_writes = 0
        self._written: StateNote | None = None
        self._note_due = asyncio.Event()

    def ask(self) -> None:
        """Send one full frame with the next flush."""
        self._is_asked = True

    async def run(self) -> None:
        """Publish, keep and report, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._flush_forever())
            group.create_task(self._cache_forever())
            group.create_task(self._report_forever())
            group.create_task(self._record_forever())

    async def withdraw(self) -> None:
        """Take the report off the board and note the last state: the connection is given up on purpose."""
        await self._write(self._board.withdraw(self._owner.lease.connection))
        await self._record_state()

    async def _flush_forever(self) -> None:
        loop = asyncio.get_running_loop()
        next_at = published_at = thinned_at = loop.time()
        while True:
            begun_at = loop.time()
            self._owner.absorb()
            rows = self._owner.table.take_changes()
            self._statistics.note_flush(rows, late_seconds=begun_at - next_at, took_seconds=loop.time() - begun_at)
            if len(rows) or loop.time() - published_at >= KEEPALIVE_FRAME_SECONDS:
                self._sequence += 1
                is_taken = await self._publish(FrameKind.CHANGES, rows)
                published_at = loop.time()
                if is_taken:
                    self._statistics.note_published(lag_seconds=published_at - next_at)
            is_thinned = self._owner.is_thinned and loop.time() >= thinned_at
            if is_thinned:
                self._owner.is_thinned, thinned_at = False, loop.time() + FULL_AGAIN_SECONDS
            if self._is_asked or is_thinned:
                self._is_asked = False
                await self._publish(FrameKind.FULL, self._owner.table.all_rows())
            next_at = max(next_at + self._flush_seconds, loop.time())
            await asyncio.sleep(next_at - loop.time())

    async def _publish(self, kind: FrameKind, rows: Rows) -> bool:
        lease = self._owner.lease
        return await self._write(
            self._board.publish(BusFrame(kind, lease.connection, lease.epoch, self._sequence, _now_ms(), rows))
        )

    async def _cache_forever(self) -> None:
        loop = asyncio.get_running_loop()
        afresh_at = loop.time()
        while True:
            is_afresh = loop.time() >= afresh_at
            unkept = self._owner.table.take_unkept()
            dropped, self._owner.dropped = self._owner.dropped, set()
            rows = self._owner.table.all_rows() if is_afresh else unkept
            is_kept = await self._write(self._cache(rows, sorted(dropped), is_afresh=is_afresh))
            if not is_kept:
                afresh_at = loop.time()
            elif is_afresh:
                afresh_at = loop.time() + CACHE_REWRITE_SECONDS
            await asyncio.sleep(CACHE_SECONDS)

    async def _cache(self, rows: Rows, dropped: Sequence[int], *, is_afresh: bool) -> bool:
        """Write kept rows; whoever has written under a newer epoch is heard of here."""
        lease, fence = self._owner.lease, self._owner.fence
        try:
            is_kept = await self._board.cache_rows(
                connection=lease.connection,
                epoch=lease.epoch,
                rows=rows,
                dropped=dropped,
                replace_all=is_afresh,
                overrule=fence.is_board_wrong,
            )
        except StaleEpoch:
            fence.note_superseded()
            self._owner.check_fence()
            return False
        fence.note_announced()
        return is_kept

    async def _report_forever(self) -> None:
        packets, at = 0, time.monotonic()
        while True:
            self._owner.state_changed.clear()
            counters = self._owner.table.counters
            # A new socket counts from nothing again.
            fresh, seconds = counters.packets - min(packets, counters.packets), time.monotonic() - at
            packets, at = counters.packets, time.monotonic()
            told = sorted(self._owner.sent)
            await self._write(self._board.report(self._report(fresh / seconds if seconds > 0 else 0.0), told))
            self._note_due.set()
            try:
                async with asyncio.timeout(REPORT_SECONDS):
                    await self._owner.state_changed.wait()
            except TimeoutError:
                continue

    async def _record_forever(self) -> None:
        """Note the state beside the reports: a database that hangs must not make them expire."""
        while True:
            await self._note_due.wait()
            self._note_due.clear()
            await self._record_state()

    def _report(self, packets_per_second: float) -> ConnectionReport:
        owner = self._owner
        return ConnectionReport(
            connection=owner.lease.connection,
            owner=self._name,
            epoch=owner.lease.epoch,
            state=owner.state,
            wanted=len(owner.wanted),
            sent=len(owner.sent) if owner.has_socket else 0,
            streaming=owner.table.streaming if owner.has_socket else 0,
            packets=owner.table.counters.packets,
            packets_per_second=round(packets_per_second, 1),
            last_packet_at_ms=owner.last_packet_at_ms,
            reported_at_ms=_now_ms(),
            last_error=owner.last_error,
            statistics=self._statistics.read(),
            ticking=tuple(self._statistics.list_ticking()),
        )

    async def _record_state(self) -> None:
        """Note the state in `feed_connections` if it changed; one that cannot be written is tried again later."""
        note = StateNote(self._owner.state, self._owner.last_error, self._owner.failed_turns)
        if note == self._written:
            return
        try:
            await run_in_thread(write_state, self._owner.lease, note)
        except DatabaseError as error:
            logger.warning("connection %d: state %s not recorded (%s)", self._owner.lease.connection, note.state, error)
        else:
            self._written = note

    async def _write(self, act: Coroutine[Any, Any, bool | None]) -> bool:
        """Return whether the board took it; a board that is down or too slow is one line, when that changes."""
        try:
            async with asyncio.timeout(BOARD_SECONDS):
                is_taken = await act is not False
        except (BoardError, OSError) as error:
            self._statistics.lost_writes += 1
            self._lost_writes += 1
            if self._lost_writes == 1:
                logger.warning("connection %d: board lost (%s)", self._owner.lease.connection, type(error).__name__)
            return False
        else:
            self._owner.fence.note_board()
        finally:
            reraise_cancellation()  # Redis' client can swallow the cancellation.
        if self._lost_writes:
            logger.warning(
                "connection %d: board is back, %d writes lost", self._owner.lease.connection, self._lost_writes
            )
            self._lost_writes = 0
        return is_taken


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
