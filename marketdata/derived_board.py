"""STORE. Analytics of options and series in Redis: their frames, the newest row of each for late joiners, and scans.

The only module that knows these keys. The leading analytics worker publishes a frame for each flush and writes the rows
that changed to the caches, under its epoch as the fencing token. Redis may lose all of it: the worker writes it again.

Keys, under the prefix of the source: `derived` (channel), `derived:options` and `derived:series` (hashes: id -> packed
row, `epoch`, `layout`), `derived:at` (epoch in ms of the newest flush, expires), `derived:scans` (channel) and
`derived:scans:wanted` (sorted set: scan -> time of the newest wish).

A scan is a ranking that a browser shows. Web processes repeat each second which ones they want, and the worker computes
no others. Its results are published only: nothing is kept that could be read as live later.
"""

import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import redis
import redis.asyncio
from django.conf import settings

from marketdata.board_scripts import CACHE_ROWS, LIST_WANTED_SCANS, WANT_SCANS
from marketdata.domain.analytics.derived_rows import (
    LAYOUT,
    OPTION_ROW,
    SERIES_ROW,
    DerivedFrame,
    Rows,
    decode_derived,
    encode_derived,
)
from marketdata.domain.analytics.rankings import Scan, parse_scan
from marketdata.domain.quote_rows import FrameError, OtherLayout
from marketdata.quote_board import StaleEpoch
from marketdata.redis_client import pooled_client
from marketdata.redis_pubsub import LOST_AFTER_SECONDS, async_client, subscribed

logger = logging.getLogger(__name__)

STALE_SECONDS: Final = 3.0
"""Required: analytics of a worker that has stopped are stale by then (design.md, section 9)."""
CACHE_TTL_SECONDS: Final = 24 * 3600  # Chosen: as long as the last values of a connection without an owner.
_LAYOUT_FIELD: Final = "layout"
WANTED_SECONDS: Final = 3
"""Chosen: a wish is repeated each second; the worker goes on over one that is late, and stops soon after the last."""
MOST_SCANS: Final = 2_000
"""Chosen: the rankings of some 180 underlyings. It bounds the work that clients with invented names can cause."""


@dataclass(frozen=True, slots=True)
class DerivedRows:
    """The newest rows of options and of one series, and whether the worker still computes."""

    options: Rows
    series: np.void | None
    is_current: bool


@dataclass(frozen=True, slots=True)
class ScanResult:
    """One published scan: `message` is the JSON text for browsers, under the epoch of its worker."""

    epoch: int
    scan: Scan
    message: bytes


class DerivedBoard:
    """The analytics for code that may block."""

    def __init__(self, client: "redis.Redis", prefix: str) -> None:
        self._redis = client
        self._prefix = prefix

    def read(self, instrument_ids: Iterable[int], *, series_id: int, now: datetime) -> DerivedRows:
        """Return the analytics of these options and of their series, those that there are."""
        fields = [str(one) for one in instrument_ids]
        # In one transaction, as they are written: options without their series would be of two moments.
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hmget(f"{self._prefix}:derived:options", [_LAYOUT_FIELD, *fields])
        pipeline.hmget(f"{self._prefix}:derived:series", [_LAYOUT_FIELD, str(series_id)])
        pipeline.get(f"{self._prefix}:derived:at")
        options, series, at = pipeline.execute()
        found = _unpack(series, SERIES_ROW)
        age_seconds = now.timestamp() - int(at) / 1_000 if at else None
        return DerivedRows(
            _unpack(options, OPTION_ROW),
            found[0] if len(found) else None,
            is_current=age_seconds is not None and age_seconds <= STALE_SECONDS,
        )

    def last_flush(self) -> datetime | None:
        """Return when the worker computed last; None if not within a minute."""
        at: Any = self._redis.get(f"{self._prefix}:derived:at")
        return datetime.fromtimestamp(int(at) / 1_000, tz=UTC) if at else None


class DerivedSubscriber:
    """The analytics for the event loop of a web process."""

    def __init__(
        self, client: "redis.asyncio.Redis", prefix: str, *, lost_after_seconds: float = LOST_AFTER_SECONDS
    ) -> None:
        self._redis = client
        self._prefix = prefix
        self._lost_after_seconds = lost_after_seconds
        self._want_script = client.register_script(WANT_SCANS)

    @asynccontextmanager
    async def frames(self) -> AsyncIterator[AsyncIterator[DerivedFrame]]:
        """Subscribe; yields every frame published from then on.

        Raises BoardError or OSError when Redis is lost, FrameError on undecodable bytes. Frames of another layout are
        skipped: their worker runs another version of this program.
        """
        channels = [f"{self._prefix}:derived"]
        async with subscribed(self._redis, channels, lost_after_seconds=self._lost_after_seconds) as messages:
            yield self._decoded(messages)

    async def _decoded(self, messages: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[DerivedFrame]:
        async for message in messages:
            try:
                frame = decode_derived(message["data"])
            except OtherLayout as error:
                logger.debug("analytics of another version skipped (%s)", error)
                continue
            yield frame

    async def want_scans(self, scans: Collection[Scan]) -> None:
        """Ask the worker to compute these scans for the next WANTED_SECONDS. Raises BoardError or OSError."""
        arguments: list[Any] = [WANTED_SECONDS, *map(str, scans)]
        await self._want_script(keys=[f"{self._prefix}:derived:scans:wanted"], args=arguments)

    @asynccontextmanager
    async def scans(self) -> AsyncIterator[AsyncIterator[ScanResult]]:
        """Subscribe; yields every scan published from then on, of all web processes.

        Raises BoardError or OSError when Redis is lost, FrameError on undecodable bytes.
        """
        channels = [f"{self._prefix}:derived:scans"]
        async with subscribed(self._redis, channels, lost_after_seconds=self._lost_after_seconds) as messages:
            yield (_decode_scan(message["data"]) async for message in messages)

    async def read_caches(self) -> tuple[int, Rows, Rows]:
        """Return epoch, rows of options and rows of series; (0, no rows, no rows) if the caches are empty."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hgetall(f"{self._prefix}:derived:options")
        pipeline.hgetall(f"{self._prefix}:derived:series")
        answers: list[dict[bytes, bytes]] = await pipeline.execute()
        epochs = [int(fields.pop(b"epoch", b"0")) for fields in answers]
        layouts = [fields.pop(_LAYOUT_FIELD.encode(), None) for fields in answers]
        options, series = (
            _unpack([layout, *fields.values()], dtype)
            for layout, fields, dtype in zip(layouts, answers, (OPTION_ROW, SERIES_ROW), strict=True)
        )
        return min(epochs), options, series

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        await self._redis.aclose()


class DerivedPublisher:
    """The analytics for the event loop of the analytics worker that leads."""

    def __init__(self, client: "redis.asyncio.Redis", prefix: str) -> None:
        self._redis = client
        self._prefix = prefix
        self._cache_script = client.register_script(CACHE_ROWS)
        self._list_wanted_script = client.register_script(LIST_WANTED_SCANS)

    async def publish(self, frame: DerivedFrame) -> None:
        """Publish one frame to all subscribed web processes, and note the time of its flush."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.publish(f"{self._prefix}:derived", encode_derived(frame))
        pipeline.set(f"{self._prefix}:derived:at", frame.sent_at_ms, ex=60)
        await pipeline.execute()

    async def list_wanted_scans(self) -> list[Scan]:
        """Return the scans that browsers show, at most MOST_SCANS; those of another version are left out."""
        key = f"{self._prefix}:derived:scans:wanted"
        names = await self._list_wanted_script(keys=[key], args=[WANTED_SECONDS, MOST_SCANS])
        return [scan for name in names if (scan := parse_scan(name.decode())) is not None]

    async def publish_scans(self, epoch: int, messages: Mapping[Scan, bytes]) -> None:
        """Publish the messages of scans to all web processes that show one."""
        pipeline = self._redis.pipeline(transaction=False)
        for scan, message in messages.items():
            pipeline.publish(f"{self._prefix}:derived:scans", b"\n".join((f"{epoch} {scan}".encode(), message)))
        await pipeline.execute()

    async def cache(self, *, epoch: int, options: Rows, series: Rows, replace_all: bool) -> bool:
        """Write rows to the caches; `replace_all` removes all others.

        Returns False if a cache was empty before, because Redis lost it. Raises StaleEpoch, and changes nothing, if a
        worker with a newer epoch has written.
        """
        pipeline = self._redis.pipeline(transaction=True)
        for name, rows in (("options", options), ("series", series)):
            arguments: list[Any] = [
                epoch,
                int(replace_all),
                CACHE_TTL_SECONDS,
                LAYOUT,
                rows.dtype.itemsize,
                rows.tobytes(),
            ]
            await self._cache_script(keys=[f"{self._prefix}:derived:{name}"], args=arguments, client=pipeline)
        answers: list[int] = await pipeline.execute()
        if min(answers) < 0:
            raise StaleEpoch("a worker with a newer epoch has written the analytics")
        return all(answers)

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        await self._redis.aclose()


def _decode_scan(payload: bytes) -> ScanResult:
    """Return a published scan: its epoch and name in one line, then the message. Raises FrameError."""
    head, _, message = payload.partition(b"\n")
    epoch, _, name = head.decode(errors="replace").partition(" ")
    scan = parse_scan(name)
    if scan is None or not epoch.isdecimal():
        raise FrameError("not a scan")
    return ScanResult(int(epoch), scan, message)


def _unpack(answer: list[bytes | None], dtype: "np.dtype[Any]") -> Rows:
    """Return the rows after the layout in an answer; none if another version of this program wrote them."""
    layout, *packed = answer
    is_readable = layout == str(LAYOUT).encode()
    return np.frombuffer(b"".join(one for one in packed if one) if is_readable else b"", dtype=dtype)


def connect() -> DerivedBoard:
    """Return the board of the configured Redis; opens no connection. Connections are pooled per process."""
    return DerivedBoard(pooled_client(settings.REDIS_URL), settings.REDIS_PREFIX)


def connect_subscriber() -> DerivedSubscriber:
    """Return the subscriber for an event loop; opens no connection."""
    return DerivedSubscriber(async_client(settings.REDIS_URL), settings.REDIS_PREFIX)


def connect_publisher() -> DerivedPublisher:
    """Return the publisher for an event loop; opens no connection."""
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2)
    return DerivedPublisher(client, settings.REDIS_PREFIX)
