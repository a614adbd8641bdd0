"""The analytics worker: computes the figures of everything that streams, once per flush, while it leads.

Theory of operation. A session advisory lock in PostgreSQL makes one worker the leader; a spare waits for it. The leader
mirrors the bus as a web process does, with a hub of its own. The universe, which series stream, is read again when a
published change touches subscriptions, at an import, and once in REFRESH_SECONDS. At each flush the engine computes all
figures; those that read differently are published, and cached for late joiners.

Figures carry the epoch of their leader. Readers drop those of a lower epoch, and the cache refuses them, so a former
leader that wakes up after a freeze changes nothing; it finds out and ends. Prices never wait for this process.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from django.db import Error as DatabaseError

from marketdata.derived_board import DerivedPublisher
from marketdata.domain.analytics.derived_rows import DerivedFrame, Rows, differs
from marketdata.domain.changes import Changes
from marketdata.domain.quote_rows import FrameKind
from marketdata.domain.sessions import SessionBook
from marketdata.quote_board import BoardError
from marketdata.streaming.hub import QuoteHub, ReadCalendar
from subscriptions.analytics.engine import AnalyticsEngine, Figures
from subscriptions.analytics.universe import Universe
from subscriptions.feed.heartbeat import send_heartbeats

logger = logging.getLogger(__name__)

LEADER_LOCK: Final = 0x4254_414E  # "BTAN"; chosen: other advisory locks of the product have other numbers
LEADER_CHECK_SECONDS: Final = 1.0  # Chosen: a spare takes over within a second of the end of the leader's process.
REFRESH_SECONDS: Final = 10.0  # Chosen: as often as the recentring; most changes are published and need no timer.
CACHE_SECONDS: Final = (
    1.0  # Chosen: a late joiner reads figures of the last second; ten times less work than each flush.
)

ReadUniverse = Callable[[], Awaitable[Universe | None]]


@dataclass(frozen=True, slots=True)
class AnalyticsSettings:
    """The settings of a worker; `rate` per year as a fraction."""

    database: Mapping[str, Any]
    flush_seconds: float
    rate: float
    read_universe: ReadUniverse
    read_calendar: ReadCalendar
    connect: Callable[[], DerivedPublisher]


class AnalyticsWorker:
    """Waits until it leads, then computes until `stop` is set."""

    def __init__(self, settings: AnalyticsSettings, stop: asyncio.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._engine: AnalyticsEngine | None = None
        self._is_changed = asyncio.Event()
        self._published: Figures | None = None
        self._uncached: Figures | None = None
        self._sequence = 0
        self._calendar = SessionBook()

    async def run(self) -> None:
        """Run until stopped. Raises every unexpected error, StaleEpoch too: another worker has taken the lead."""
        stopping = asyncio.create_task(self._stop.wait())
        leading = asyncio.create_task(self._wait_and_lead())
        beating = asyncio.create_task(send_heartbeats())
        await asyncio.wait({stopping, leading}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        beating.cancel()
        if leading.done():
            leading.result()
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)

    async def _wait_and_lead(self) -> None:
        async with await self._connect_database() as connection:
            while not await _try_lock(connection):  # noqa: ASYNC110  The lock belongs to another process.
                await asyncio.sleep(LEADER_CHECK_SECONDS)
            logger.info("leading the computation of figures")
            await self._lead()

    async def _connect_database(self) -> "psycopg.AsyncConnection[Any]":
        while True:
            try:
                return await psycopg.AsyncConnection.connect(**self._settings.database, autocommit=True)
            except psycopg.OperationalError as error:
                logger.warning("PostgreSQL not reachable (%s): not leading yet", type(error).__name__)
                await asyncio.sleep(LEADER_CHECK_SECONDS)

    async def _lead(self) -> None:
        hub = QuoteHub(read_calendar=self._read_calendar, note_changes=self._note)
        publisher = self._settings.connect()
        # The hub runs as long as it has a client; this one is never served.
        client = await hub.add_client()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._refresh())
                group.create_task(self._compute(hub, publisher))
        finally:
            hub.remove_client(client)
            await hub.aclose()
            await publisher.aclose()

    async def _read_calendar(self) -> SessionBook:
        self._calendar = await self._settings.read_calendar()
        return self._calendar

    def _note(self, _changes: Changes) -> None:
        self._is_changed.set()

    async def _refresh(self) -> None:
        """Keep the universe; a new one starts a new engine, which keeps nothing of the former one."""
        while True:
            self._is_changed.clear()
            try:
                universe = await self._settings.read_universe()
            except (DatabaseError, OSError) as error:
                logger.warning("streamed series not readable (%s); the former ones stay", type(error).__name__)
            else:
                self._adopt(universe)
            try:
                async with asyncio.timeout(REFRESH_SECONDS):
                    await self._is_changed.wait()
            except TimeoutError:
                continue

    def _adopt(self, universe: Universe | None) -> None:
        if universe is None:
            self._engine = None
        elif self._engine is None or not universe.is_same(self._engine.universe):
            self._engine = AnalyticsEngine(universe, rate=self._settings.rate)
            self._published = None

    async def _compute(self, hub: QuoteHub, publisher: DerivedPublisher) -> None:
        epoch = time.time_ns() // 1_000_000
        cached_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._settings.flush_seconds)
            if self._engine is None:
                continue
            now_ms = time.time_ns() // 1_000_000
            figures = self._engine.compute(hub.mirror, self._calendar, now_ms=now_ms)
            is_full = self._published is None
            changed = figures if self._published is None else _changes(figures, self._published)
            self._published = figures
            self._sequence += 1
            kind = FrameKind.FULL if is_full else FrameKind.CHANGES
            frame = DerivedFrame(kind, epoch, self._sequence, now_ms, changed.options, changed.series)
            try:
                await publisher.publish(frame)
                if is_full or loop.time() - cached_at >= CACHE_SECONDS:
                    cached_at = loop.time()
                    await self._cache(publisher, epoch, figures, replace_all=is_full)
            except (BoardError, OSError) as error:
                logger.warning("figures not published (%s)", type(error).__name__)
                # Redis may have lost what it had.
                self._published = self._uncached = None

    async def _cache(self, publisher: DerivedPublisher, epoch: int, figures: Figures, *, replace_all: bool) -> None:
        before, self._uncached = self._uncached, figures
        news = figures if replace_all or before is None else _changes(figures, before)
        if not await publisher.cache(epoch=epoch, options=news.options, series=news.series, replace_all=replace_all):
            await publisher.cache(epoch=epoch, options=figures.options, series=figures.series, replace_all=True)


async def _try_lock(connection: "psycopg.AsyncConnection[Any]") -> bool:
    cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", [LEADER_LOCK])
    row = await cursor.fetchone()
    return bool(row and row[0])


def _changes(figures: Figures, before: Figures) -> Figures:
    return Figures(_changed(figures.options, before.options), _changed(figures.series, before.series))


def _changed(rows: Rows, before: Rows) -> Rows:
    return rows.compress(differs(rows, before))
