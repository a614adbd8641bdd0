"""The analytics worker: computes the analytics of everything that streams, once per flush, while it leads.

Theory of operation. A session advisory lock in PostgreSQL makes one worker the leader; a spare waits for it. The leader
mirrors the bus as a web process does, with a hub of its own. Which series stream, and what is known of them beside the
feed, is read again when a published change touches subscriptions, at an import, and once in REFRESH_SECONDS. At each
flush the engine computes all analytics; those that read differently are published, and cached for late joiners. Once a
second the scanner computes the rankings that a browser shows, and once a minute each straddle is stored for its chart.

Analytics carry the epoch of their leader. Readers drop those of a lower epoch, and the cache refuses them, so a former
leader that wakes up after a freeze changes nothing; it finds out and waits again. Prices never wait for this process.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import compress
from typing import Any, Final

import numpy as np
import psycopg
from django.db import Error as DatabaseError

from marketdata.derived_board import DerivedPublisher
from marketdata.domain.analytics.derived_rows import DerivedFrame, Rows, differs
from marketdata.domain.analytics.straddle_points import minute_of
from marketdata.domain.changes import Changes
from marketdata.domain.instruments import SeriesKey
from marketdata.domain.quote_rows import FrameKind
from marketdata.domain.sessions import SessionBook
from marketdata.quote_board import BoardError, StaleEpoch
from marketdata.straddle_board import StraddleWriter
from marketdata.streaming.hub import QuoteHub, ReadCalendar
from subscriptions.analytics.engine import NO_ANALYTICS, Analytics, AnalyticsEngine
from subscriptions.analytics.scanner import Scanner
from subscriptions.analytics.straddles import take_points
from subscriptions.analytics.universe import References, Universe
from subscriptions.feed.heartbeat import send_heartbeats

logger = logging.getLogger(__name__)

LEADER_LOCK: Final = 0x4254_414E  # "BTAN"; chosen: other advisory locks of the product have other numbers
LEADER_CHECK_SECONDS: Final = 1.0  # Chosen: a spare takes over within a second of the end of the leader's process.
REFRESH_SECONDS: Final = 10.0  # Chosen: as often as the recentring; most changes are published and need no timer.
SETTLE_SECONDS: Final = 1.0
"""Chosen: many additions within a second cause one reading of the list, and one cold start of the engine."""
FULL_SECONDS: Final = 5.0
"""Chosen: a reader that has missed a frame is right again after it. All rows of 25,000 options are 1.1 MB."""
CACHE_SECONDS: Final = 1.0
"""Chosen: a late joiner reads analytics of the last second, at a tenth of the work of each flush."""

SCAN_SECONDS: Final = 1.0
"""Required: rankings are computed once a second; rows that change places more often cannot be read."""

ReadUniverse = Callable[[], Awaitable[tuple[Universe, References] | None]]


@dataclass(frozen=True, slots=True)
class AnalyticsSettings:
    """The settings of a worker; `rate` per year as a fraction."""

    database: Mapping[str, Any]
    flush_seconds: float
    rate: float
    read_universe: ReadUniverse
    read_calendar: ReadCalendar
    connect: Callable[[], DerivedPublisher]
    connect_straddles: Callable[[], StraddleWriter]


class AnalyticsWorker:
    """Waits until it leads, then computes until `stop` is set."""

    def __init__(self, settings: AnalyticsSettings, stop: asyncio.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._engine: AnalyticsEngine | None = None
        self._is_changed = asyncio.Event()
        # What readers have, with the engine that computed it: the rows of another one are others.
        self._published: _Computed | None = None
        self._cached: _Computed | None = None
        self._calendar = SessionBook()
        self._scanner = Scanner()
        # The last minute of which points were stored.
        self._straddles_of = 0
        self._stored: set[SeriesKey] = set()

    async def run(self) -> None:
        """Run until stopped; raises every unexpected error."""
        stopping = asyncio.create_task(self._stop.wait())
        working = asyncio.create_task(self._wait_and_lead())
        beating = asyncio.create_task(send_heartbeats())
        await asyncio.wait({stopping, working}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        beating.cancel()
        if working.done():
            working.result()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    async def _wait_and_lead(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    **self._settings.database, autocommit=True
                ) as connection:
                    while not await _try_lock(connection):  # noqa: ASYNC110  The lock belongs to another process.
                        await asyncio.sleep(LEADER_CHECK_SECONDS)
                    logger.info("leading the computation of analytics")
                    await self._lead()
            except psycopg.OperationalError as error:
                logger.warning("PostgreSQL not reachable (%s): waiting for the lead", type(error).__name__)
            await asyncio.sleep(LEADER_CHECK_SECONDS)

    async def _lead(self) -> None:
        """Compute until cancelled, or until another worker has taken the lead."""
        hub = QuoteHub(read_calendar=self._read_calendar, note_changes=self._note, connect_derived=None)
        publisher, straddles = self._settings.connect(), self._settings.connect_straddles()
        # The hub runs as long as it has a client; this one is never served.
        client = await hub.add_client()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._refresh())
                group.create_task(self._compute(hub, publisher, straddles))
        except* StaleEpoch:
            # The lock was lost with its database session, and this process did not notice.
            logger.warning("another worker leads the computation of analytics; waiting again")
        finally:
            self._published = self._cached = None
            hub.remove_client(client)
            await hub.aclose()
            await publisher.aclose()
            await straddles.aclose()

    async def _read_calendar(self) -> SessionBook:
        self._calendar = await self._settings.read_calendar()
        return self._calendar

    def _note(self, _changes: Changes) -> None:
        self._is_changed.set()

    async def _refresh(self) -> None:
        """Keep universe and references; a new universe starts a new engine, which keeps nothing of the former one."""
        while True:
            self._is_changed.clear()
            try:
                found = await self._settings.read_universe()
            except (DatabaseError, BoardError, OSError) as error:
                logger.warning("streamed series not readable (%s); the former ones stay", type(error).__name__)
            else:
                self._adopt(found)
            await asyncio.sleep(SETTLE_SECONDS)
            try:
                async with asyncio.timeout(REFRESH_SECONDS):
                    await self._is_changed.wait()
            except TimeoutError:
                continue

    def _adopt(self, found: tuple[Universe, References] | None) -> None:
        if found is None:
            self._engine = None
            return
        universe, references = found
        if self._engine is not None and universe.is_same(self._engine.universe):
            self._engine.references = references
        else:
            self._engine = AnalyticsEngine(universe, references, rate=self._settings.rate)

    async def _compute(self, hub: QuoteHub, publisher: DerivedPublisher, straddles: StraddleWriter) -> None:
        epoch, loop = time.time_ns() // 1_000_000, asyncio.get_running_loop()
        sequence, full_at, cached_at, scanned_at = 0, 0.0, 0.0, 0.0
        while True:
            await asyncio.sleep(self._settings.flush_seconds)
            now_ms = time.time_ns() // 1_000_000
            computed = _Computed(self._engine, NO_ANALYTICS)
            if self._engine is not None:
                computed.analytics = self._engine.compute(hub.mirror, self._calendar, now_ms=now_ms)
            changed = computed.changes_since(self._published)
            if changed is None or loop.time() - full_at >= FULL_SECONDS:
                kind, changed, full_at = FrameKind.FULL, computed.analytics, loop.time()
            else:
                kind = FrameKind.CHANGES
            self._published, sequence = computed, sequence + 1
            try:
                await publisher.publish(DerivedFrame(kind, epoch, sequence, now_ms, changed.options, changed.series))
                if loop.time() - cached_at >= CACHE_SECONDS:
                    cached_at = loop.time()
                    await self._cache(publisher, epoch, computed)
                if loop.time() - scanned_at >= SCAN_SECONDS:
                    scanned_at = loop.time()
                    await self._scan(hub, publisher, epoch, computed, now_ms=now_ms)
                    await self._store_straddles(hub, straddles, epoch, computed, now_ms=now_ms)
            except (BoardError, OSError) as error:
                logger.warning("analytics not published (%s)", type(error).__name__)
                # Redis may have lost what it had.
                self._published = self._cached = None

    async def _scan(
        self, hub: QuoteHub, publisher: DerivedPublisher, epoch: int, computed: "_Computed", *, now_ms: int
    ) -> None:
        """Take the samples of the scanner, and publish the rankings that browsers show."""
        universe = None if computed.engine is None else computed.engine.universe
        now = asyncio.get_running_loop().time()
        if universe is not None and hub.feed is not None:
            closed = {segment for segment, _ in hub.feed.closed}
            self._scanner.sample(universe, computed.analytics, closed=closed, now=now)
        if wanted := await publisher.list_wanted_scans():
            messages = self._scanner.scan(universe, computed.analytics, hub.mirror, wanted, now=now, now_ms=now_ms)
            await publisher.publish_scans(epoch, messages)

    async def _store_straddles(
        self, hub: QuoteHub, straddles: StraddleWriter, epoch: int, computed: "_Computed", *, now_ms: int
    ) -> None:
        """Store a point of each straddle in the first second of a minute in which it is live."""
        if computed.engine is None or hub.feed is None:
            return
        if (minute := minute_of(now_ms)) != self._straddles_of:
            self._straddles_of, self._stored = minute, set()
        series, points = take_points(
            computed.engine.universe, computed.analytics.series, hub.mirror, hub.feed, now_ms=now_ms
        )
        missing = [one not in self._stored for one in series]
        if not any(missing):
            return
        try:
            found = list(compress(series, missing))
            await straddles.append(found, points[np.array(missing)], epoch=epoch)
            self._stored.update(found)
        except (BoardError, OSError) as error:
            logger.warning("straddles of the minute not stored (%s)", type(error).__name__)

    async def _cache(self, publisher: DerivedPublisher, epoch: int, computed: "_Computed") -> None:
        """Write what changed since the last time; everything if that is unknown, or if Redis has lost it."""
        news, self._cached = computed.changes_since(self._cached), computed
        everything = computed.analytics
        is_known = news is not None and await publisher.cache(
            epoch=epoch, options=news.options, series=news.series, replace_all=False
        )
        if not is_known:
            await publisher.cache(epoch=epoch, options=everything.options, series=everything.series, replace_all=True)


@dataclass(slots=True)
class _Computed:
    """The analytics of one flush, and the engine that computed them; None without streamed series."""

    engine: AnalyticsEngine | None
    analytics: Analytics

    def changes_since(self, before: "_Computed | None") -> Analytics | None:
        """Return the rows that read differently; None if `before` has other rows, or is None."""
        if before is None or before.engine is not self.engine:
            return None
        former = before.analytics
        return Analytics(
            _changed(self.analytics.options, former.options), _changed(self.analytics.series, former.series)
        )


async def _try_lock(connection: "psycopg.AsyncConnection[Any]") -> bool:
    cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", [LEADER_LOCK])
    row = await cursor.fetchone()
    return bool(row and row[0])


def _changed(rows: Rows, before: Rows) -> Rows:
    return rows.compress(differs(rows, before))
