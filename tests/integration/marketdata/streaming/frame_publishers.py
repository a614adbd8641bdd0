"""A publisher of frames for one connection: frames, full frames on request, cached rows, reports."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import numpy as np
import redis.asyncio

from marketdata.domain.feed import ConnectionReport, ConnectionState
from marketdata.domain.quote_rows import QUOTE_ROW, FrameKind, Rows
from marketdata.quote_board import OwnerBoard
from tests.unit.marketdata.streaming.bus_rows import make_frame, make_row


class FramePublisher:
    """Publishes the prices and states of a test on one connection."""

    def __init__(self, client: "redis.asyncio.Redis", prefix: str, *, connection: int = 1, epoch: int = 7) -> None:
        self.board = OwnerBoard(client, prefix)
        self.connection = connection
        self.epoch = epoch
        self.sequence = 0
        self.rows: dict[int, Rows] = {}
        self.full_frame_requests = 0

    async def publish_changes(self, prices: dict[int, float], *, skip: int = 0) -> None:
        """Publish changed prices; skip `skip` sequence numbers, as if these frames were lost."""
        now_ms = time.time_ns() // 1_000_000
        fresh = {one: make_row(one, ltp=ltp, received_at_ms=now_ms) for one, ltp in prices.items()}
        self.rows |= fresh
        self.sequence += 1 + skip
        await self._publish(fresh.values(), kind=FrameKind.CHANGES)

    async def publish_full(self) -> None:
        """Publish a FULL frame."""
        await self._publish(self.rows.values(), kind=FrameKind.FULL)

    async def cache_rows(self) -> None:
        """Write all rows to the last-value cache."""
        rows = np.concatenate([np.zeros(0, dtype=QUOTE_ROW), *self.rows.values()])
        await self.board.cache_rows(
            connection=self.connection, epoch=self.epoch, rows=rows, dropped=(), replace_all=True
        )

    async def report(self, state: ConnectionState = ConnectionState.LIVE, *, error: str = "") -> None:
        """Publish a connection report."""
        now_ms = time.time_ns() // 1_000_000
        await self.board.report(
            ConnectionReport(self.connection, "test", self.epoch, state, 1, 1, 1, 1, 1.0, now_ms, now_ms, error)
        )

    async def answer_requests(self) -> None:
        """Answer every request for a full frame, until cancelled."""
        async for request in self.board.requests():
            if request.full_frame_of == self.connection:
                self.full_frame_requests += 1
                await self.publish_full()

    async def send_heartbeats(self) -> None:
        """Publish reports and empty frames as a healthy publisher does, until cancelled."""
        while True:
            await self.report()
            await self.publish_changes({})
            await asyncio.sleep(0.3)

    async def _publish(self, rows: Iterable[Rows], *, kind: FrameKind) -> None:
        await self.board.publish(
            make_frame(*rows, sequence=self.sequence, kind=kind, connection=self.connection, epoch=self.epoch)
        )


@asynccontextmanager
async def running_publisher(publisher: FramePublisher, *, sends_heartbeats: bool = True) -> AsyncIterator[None]:
    """Answer requests for full frames, and send heartbeats if `sends_heartbeats`, until the end of the block."""
    works = (
        [publisher.answer_requests(), publisher.send_heartbeats()]
        if sends_heartbeats
        else [publisher.answer_requests()]
    )
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        # Cancel repeatedly: redis-py swallows a cancellation that arrives at certain steps.
        while pending := [one for one in tasks if not one.done()]:
            for one in pending:
                one.cancel()
            await asyncio.wait(pending, timeout=0.2)
