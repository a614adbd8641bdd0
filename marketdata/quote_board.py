"""STORE. The quote board in Redis: frames, last-value cache, connection reports, nudges and full-frame requests.

The only module that knows these keys. Owners publish one frame per connection and flush, write the newest row of each
of their instruments to the last-value cache, and report their connection. Web processes subscribe to the frames,
request full frames and read the cache. Redis may lose all of it: owners write it again within seconds. The cache of a
connection carries the epoch of its writer as the fencing token: the script below rejects a writer of an older epoch,
so that a former owner changes nothing after a freeze.

Keys, under the prefix of the source: `frames:<n>` (channel), `full_frame_requests` (channel; payload: connection
number), `nudges` (channel), `quotes:<n>` (hash: instrument id -> packed row, `epoch`, and `layout`, the version of the
rows), `owner:<n>` (JSON, expires), `sent:<n>` (packed keys of the instruments sent to the broker's socket, expires with
it), `changes` (stream: the newest CHANGES_KEPT changes of what viewers see), `volumes:<day>` (hash: instrument id ->
volume and trade time as text, expires), `run:<task>` (epoch seconds, expires), and for reading only the list
`celery:<queue>` of Celery.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import orjson
import redis
import redis.asyncio
from django.conf import settings

from marketdata.board_scripts import CACHE_ROWS, REPORT, WITHDRAW
from marketdata.dhan.requests import MAX_CONNECTIONS
from marketdata.domain.changes import EVERYTHING, Changes
from marketdata.domain.feed import ConnectionReport
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.newest_rows import newest_indices
from marketdata.domain.quote_rows import QUOTE_ROW, ROW_LAYOUT, BusFrame, OtherLayout, Rows, decode_frame, encode_frame
from marketdata.domain.tick_rules import DayVolume
from marketdata.redis_client import pooled_client
from marketdata.redis_pubsub import LOST_AFTER_SECONDS, async_client, read_messages, stream_entries, subscribed

logger = logging.getLogger(__name__)

CONNECTION_NUMBERS: Final = range(1, MAX_CONNECTIONS + 1)
# Owners report once a second (`publisher.REPORT_SECONDS`): five missed reports and the connection has no owner.
REPORT_TTL_SECONDS: Final = 5

BoardError = redis.RedisError
"""Raised by every method when Redis is unreachable; this name serves callers that may not import redis."""

# Chosen: a connection without an owner shows its last values until the next trading day begins.
CACHE_TTL_SECONDS: Final = 24 * 3600
# Chosen: the rarest task that health reads runs once a day.
RUN_TTL_SECONDS: Final = 24 * 3600

# Chosen: far more than are published between two reads, which follow each other at once (the busiest task publishes
# some ten at a time). A reader that was without Redis for longer takes everything as changed.
CHANGES_KEPT: Final = 1_000
# Chosen: bounds one read of the stream; a longer one saves nothing, a shorter one costs commands at rest.
CHANGES_BLOCK_SECONDS: Final = 2.0
_CHANGE: Final = b"change"

# Fields of a connection's hash that are no instrument.
_EPOCH: Final = b"epoch"
_LAYOUT: Final = b"layout"


@dataclass(frozen=True, slots=True)
class OwnerRequest:
    """A message to the owners: a nudge (`full_frame_of` is None), or the request of a full frame of a connection."""

    full_frame_of: int | None


class QuoteBoard:
    """The board for code that may block: services, selectors, tasks, health."""

    def __init__(self, client: "redis.Redis", prefix: str) -> None:
        self._redis = client
        self._prefix = prefix

    def ping(self) -> None:
        """Raise BoardError if Redis is unreachable."""
        self._redis.ping()

    def nudge(self) -> None:
        """Notify all owners that the wanted set changed. A lost nudge costs one beat of the owners."""
        self._redis.publish(f"{self._prefix}:nudges", b"")

    def publish_changes(self, changes: Changes) -> None:
        """Append a committed change to the stream that web processes read."""
        fields: Any = {_CHANGE: changes.encode()}
        self._redis.xadd(f"{self._prefix}:changes", fields, maxlen=CHANGES_KEPT, approximate=True)

    def list_reports(self) -> Sequence[ConnectionReport]:
        """Return the unexpired reports, in order of connection number."""
        values = self._redis.mget([f"{self._prefix}:owner:{number}" for number in CONNECTION_NUMBERS])
        return [ConnectionReport.parse(orjson.loads(value)) for value in values if value]

    def list_report_ages(self) -> Sequence[tuple[ConnectionReport, float]]:
        """Return the unexpired reports, each with the seconds since it was written, in order of connection number.

        The age is that of the key, by the clock of Redis: the clocks of owner and reader may differ.
        """
        pipeline = self._redis.pipeline(transaction=False)
        for number in CONNECTION_NUMBERS:
            pipeline.get(f"{self._prefix}:owner:{number}")
            pipeline.pttl(f"{self._prefix}:owner:{number}")
        answers = pipeline.execute()
        return [
            (ConnectionReport.parse(orjson.loads(value)), REPORT_TTL_SECONDS - left_ms / 1_000)
            for value, left_ms in zip(answers[::2], answers[1::2], strict=True)
            if value
        ]

    def list_sent(self) -> Mapping[int, frozenset[InstrumentKey]]:
        """Return the sent set of each connection with an owner, by connection number."""
        values: Any = self._redis.mget([f"{self._prefix}:sent:{number}" for number in CONNECTION_NUMBERS])
        return {
            number: frozenset(
                InstrumentKey(ExchangeSegment(word >> 32), word & 0xFFFFFFFF)
                for word in np.frombuffer(value, dtype="<u8").tolist()
            )
            for number, value in zip(CONNECTION_NUMBERS, values, strict=True)
            if value is not None
        }

    def list_cached(self) -> Mapping[int, frozenset[int]]:
        """Return the instrument ids in the last-value cache, by connection number; none where rows are not readable."""
        # One round trip for all connections; a consistent view over the five hashes is not needed.
        pipeline = self._redis.pipeline(transaction=False)
        for number in CONNECTION_NUMBERS:
            pipeline.hget(f"{self._prefix}:quotes:{number}", _LAYOUT.decode())
            pipeline.hkeys(f"{self._prefix}:quotes:{number}")
        answers = pipeline.execute()
        return {
            number: frozenset(int(one) for one in fields if one not in {_EPOCH, _LAYOUT} and _is_readable(layout))
            for number, layout, fields in zip(CONNECTION_NUMBERS, answers[::2], answers[1::2], strict=True)
        }

    def note_run(self, *, task: str, at: datetime) -> None:
        """Record that a periodic task finished at `at`; health derives from it that beat and a worker run."""
        self._redis.set(f"{self._prefix}:run:{task}", at.timestamp(), ex=RUN_TTL_SECONDS)

    def last_run(self, task: str) -> datetime | None:
        """Return when a periodic task last finished; None if not within RUN_TTL_SECONDS."""
        value: Any = self._redis.get(f"{self._prefix}:run:{task}")
        return datetime.fromtimestamp(float(value), tz=UTC) if value else None

    def count_queued(self, queue: str) -> int:
        """Return the number of tasks that wait in a Celery queue."""
        count: Any = self._redis.llen(f"{self._prefix}:celery:{queue}")
        return int(count)

    def read_cached(self, instrument_ids: Iterable[int]) -> Mapping[int, tuple[int, np.void]]:
        """Return connection number and newest cached row of each of the instruments that has one, by instrument id."""
        numbers, rows = self.read_rows(instrument_ids)
        ids = rows["instrument_id"].tolist()
        return {one: (number, row) for one, number, row in zip(ids, numbers, rows, strict=True)}

    def read_rows(self, instrument_ids: Iterable[int]) -> tuple[Sequence[int], Rows]:
        """Return the newest cached row of each of the instruments that has one, and the connection number of each."""
        fields = [str(one) for one in instrument_ids]
        if not fields:
            return [], _unpack(None, ())
        pipeline = self._redis.pipeline(transaction=False)
        for number in CONNECTION_NUMBERS:
            pipeline.hmget(f"{self._prefix}:quotes:{number}", [_LAYOUT.decode(), *fields])
        return _newest(pipeline.execute())


def pack_keys(keys: Iterable[InstrumentKey]) -> bytes:
    """Return a sent set as bytes, segment and security id in one u64: 5,000 keys are 40 kB."""
    return np.fromiter((key.segment << 32 | key.security_id for key in keys), dtype="<u8").tobytes()


class StaleEpoch(Exception):
    """Rejected by the fencing token: an owner with a newer epoch has written to this connection's cache."""


class OwnerBoard:
    """The board for the event loop of a feed worker."""

    def __init__(
        self, client: "redis.asyncio.Redis", prefix: str, *, lost_after_seconds: float = LOST_AFTER_SECONDS
    ) -> None:
        self._redis = client
        self._prefix = prefix
        self._lost_after_seconds = lost_after_seconds
        self._cache_script = client.register_script(CACHE_ROWS)
        self._report_script = client.register_script(REPORT)
        self._withdraw_script = client.register_script(WITHDRAW)

    async def publish(self, frame: BusFrame) -> None:
        """Publish one frame to all subscribed web and analytics processes."""
        await self._redis.publish(f"{self._prefix}:frames:{frame.connection}", encode_frame(frame))

    async def cache_rows(
        self,
        *,
        connection: int,
        epoch: int,
        rows: Rows,
        dropped: Sequence[int],
        replace_all: bool,
        overrule: bool = False,
    ) -> bool:
        """Write `rows` to the last-value cache and remove the `dropped` ids; `replace_all` removes all others too.

        Returns False if the cache is incomplete: it was empty before, because Redis lost it. Raises StaleEpoch, and
        changes nothing, if a newer epoch has written and `overrule` is not set.
        """
        start = 2 if overrule else int(replace_all)
        arguments: list[Any] = [epoch, start, CACHE_TTL_SECONDS, ROW_LAYOUT, QUOTE_ROW.itemsize, rows.tobytes()]
        arguments += dropped
        answer = await self._cache_script(keys=[f"{self._prefix}:quotes:{connection}"], args=arguments)
        if answer < 0:
            raise StaleEpoch(connection)
        return bool(answer)

    async def report(self, report: ConnectionReport, sent: bytes = b"") -> None:
        """Write the report and the sent set (`pack_keys`) of a connection; both expire after REPORT_TTL_SECONDS.

        Changes nothing if an owner with a newer epoch has reported.
        """
        # One script, so that no reader combines a report with the sent set of another second.
        await self._report_script(
            keys=self._report_keys(report.connection),
            args=[report.epoch, orjson.dumps(asdict(report)), sent, REPORT_TTL_SECONDS],
        )

    async def list_reports(self) -> Sequence[ConnectionReport]:
        """Return the unexpired reports of all owners, in order of connection number."""
        return await _read_reports(self._redis, self._prefix)

    async def read_volumes(self, day: int) -> Mapping[int, DayVolume]:
        """Return the volumes that owners have noted on this day (as `day_in_india` counts), by instrument id."""
        fields: dict[Any, Any] = await self._redis.hgetall(f"{self._prefix}:volumes:{day}")
        return {int(one): DayVolume(*map(int, value.split())) for one, value in fields.items()}

    async def note_volumes(self, day: int, volumes: Mapping[int, DayVolume]) -> None:
        """Note volumes for the next owner of their instruments: on another connection, or after a restart."""
        if volumes:
            pipeline = self._redis.pipeline(transaction=False)
            noted: Any = {str(one): f"{known.volume} {known.ltt}" for one, known in volumes.items()}
            pipeline.hset(f"{self._prefix}:volumes:{day}", mapping=noted)
            pipeline.expire(f"{self._prefix}:volumes:{day}", CACHE_TTL_SECONDS)
            await pipeline.execute()

    async def withdraw(self, *, connection: int, epoch: int) -> None:
        """Delete the report of a connection that its owner releases, ahead of its expiry.

        Changes nothing if an owner with a newer epoch has reported.
        """
        await self._withdraw_script(keys=self._report_keys(connection), args=[epoch])

    def _report_keys(self, connection: int) -> list[str]:
        return [f"{self._prefix}:owner:{connection}", f"{self._prefix}:sent:{connection}"]

    async def requests(self) -> AsyncGenerator[OwnerRequest, None]:
        """Yield nudges and full-frame requests. Raises BoardError or OSError when Redis is lost."""
        async with self._redis.pubsub(ignore_subscribe_messages=True) as listener:
            async with asyncio.timeout(self._lost_after_seconds):
                await listener.subscribe(f"{self._prefix}:nudges", f"{self._prefix}:full_frame_requests")
            async for message in read_messages(listener, self._lost_after_seconds):
                is_request = message["channel"].endswith(b":full_frame_requests")
                yield OwnerRequest(full_frame_of=int(message["data"]) if is_request else None)


class HubBoard:
    """The board for the event loop of a process that mirrors quotes."""

    def __init__(
        self, client: "redis.asyncio.Redis", prefix: str, *, lost_after_seconds: float = LOST_AFTER_SECONDS
    ) -> None:
        self._redis = client
        self._prefix = prefix
        self._lost_after_seconds = lost_after_seconds

    @asynccontextmanager
    async def frames(self) -> AsyncIterator[AsyncIterator[BusFrame]]:
        """Subscribe to all frame channels; yields every frame published from then on.

        Raises BoardError or OSError when Redis is lost, FrameError on undecodable bytes. Frames of another row layout
        are skipped: their owner runs another version of this program, until its restart.
        """
        channels = [f"{self._prefix}:frames:{number}" for number in CONNECTION_NUMBERS]
        async with subscribed(self._redis, channels, lost_after_seconds=self._lost_after_seconds) as messages:
            yield self._decoded(messages)

    async def _decoded(self, messages: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[BusFrame]:
        skipped: set[bytes] = set()
        async for message in messages:
            try:
                frame = decode_frame(message["data"])
            except OtherLayout as error:
                # Once per channel: its owner publishes ten a second.
                if message["channel"] not in skipped:
                    skipped.add(message["channel"])
                    logger.warning("frames of another version skipped on %s (%s)", message["channel"].decode(), error)
                continue
            skipped.discard(message["channel"])
            yield frame

    async def changes(self) -> AsyncIterator[Changes]:
        """Yield EVERYTHING, since nothing is known of the time before, then each change that is published.

        Raises BoardError, OSError or TimeoutError when Redis is lost.
        """
        key = f"{self._prefix}:changes"
        newest: Any = await self._redis.xrevrange(key, count=1)
        last = newest[0][0] if newest else b"0-0"
        yield EVERYTHING
        while True:
            # Redis ends the read itself; the second limit is for a connection that is half open.
            async with asyncio.timeout(CHANGES_BLOCK_SECONDS + self._lost_after_seconds):
                answer: Any = await self._redis.xread({key: last}, block=round(CHANGES_BLOCK_SECONDS * 1_000))
            for entry, fields in stream_entries(answer):
                last = entry
                yield _parse_change(fields)

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        await self._redis.aclose()

    async def request_full_frame(self, connection: int) -> None:
        """Request one FULL frame from the owner of `connection`."""
        await self._redis.publish(f"{self._prefix}:full_frame_requests", str(connection))

    async def read_cache(self, connection: int) -> tuple[int, Rows]:
        """Return (epoch, rows) in the last-value cache of `connection`; (0, no rows) if it is empty.

        No rows also if they are of another layout.
        """
        fields: dict[Any, Any] = await self._redis.hgetall(f"{self._prefix}:quotes:{connection}")
        # The epoch shares the hash with the rows, so that both are read at one moment.
        epoch, layout = int(fields.pop(_EPOCH, b"0")), fields.pop(_LAYOUT, None)
        return epoch, _unpack(layout, fields.values())

    async def read_rows(self, instrument_ids: Sequence[int]) -> Rows:
        """Return the newest cached row of each of the instruments that has one; one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        for number in CONNECTION_NUMBERS:
            pipeline.hmget(f"{self._prefix}:quotes:{number}", [_LAYOUT.decode(), *map(str, instrument_ids)])
        return _newest(await pipeline.execute())[1]

    async def list_reports(self) -> Sequence[ConnectionReport]:
        """Return the unexpired reports, in order of connection number."""
        return await _read_reports(self._redis, self._prefix)


async def _read_reports(client: "redis.asyncio.Redis", prefix: str) -> Sequence[ConnectionReport]:
    values = await client.mget([f"{prefix}:owner:{number}" for number in CONNECTION_NUMBERS])
    return [ConnectionReport.parse(orjson.loads(value)) for value in values if value]


def _parse_change(fields: Mapping[bytes, bytes]) -> Changes:
    try:
        return Changes.parse(fields[_CHANGE])
    except (ValueError, KeyError, TypeError) as error:
        # Another version of this program may write other changes during an update.
        logger.warning("change not readable (%s): taking everything as changed", error)
        return EVERYTHING


def _newest(answers: Sequence[Sequence[bytes | None]]) -> tuple[Sequence[int], Rows]:
    """Return the newest row of each instrument in the answers of all connections, and its connection number."""
    found = [_unpack(layout, filter(None, packed)) for layout, *packed in answers]
    numbers = np.repeat(CONNECTION_NUMBERS, [len(rows) for rows in found])
    rows = np.concatenate(found)
    newest = newest_indices(rows, numbers)
    return numbers[newest].tolist(), rows[newest]


def _unpack(layout: bytes | None, packed: Iterable[bytes]) -> Rows:
    """Return the undamaged rows of a connection's hash; none if another version of this program wrote them."""
    whole = [one for one in packed if len(one) == QUOTE_ROW.itemsize] if _is_readable(layout) else []
    return np.frombuffer(b"".join(whole), dtype=QUOTE_ROW)


def _is_readable(layout: bytes | None) -> bool:
    # The length of the bytes proves nothing: 93 rows of 178 bytes are 89 of 186.
    return layout == str(ROW_LAYOUT).encode()


def connect() -> QuoteBoard:
    """Return the board of the configured Redis; opens no connection. Connections are pooled per process."""
    return QuoteBoard(pooled_client(settings.REDIS_URL), settings.REDIS_PREFIX)


def connect_owner() -> OwnerBoard:
    """Return the board for the event loop of a feed worker."""
    return OwnerBoard(async_client(settings.REDIS_URL), settings.REDIS_PREFIX)


def connect_hub() -> HubBoard:
    """Return the board for the event loop of a web or analytics process."""
    return HubBoard(async_client(settings.REDIS_URL), settings.REDIS_PREFIX)
