"""The quote board in Redis: frames, newest quotes, owners' reports, nudges and full_frame_requests, both directions.

The only module that knows these keys. Owners publish one frame per connection and flush, keep the newest
row of each of their instruments in a hash for whoever comes late, and report on themselves; web processes
listen, request full frames, and read. All of it can be lost: owners write it again. A kept hash carries the
epoch of its writer, and a writer of an older epoch is refused by the script below, so that a former owner
that wakes up changes nothing.

Keys, under the prefix of the source: `frames:<n>` (channel), `full_frame_requests` (channel; payload: connection
number), `nudges` (channel), `quotes:<n>` (hash: instrument id -> packed row, and `epoch`), `owner:<n>` (JSON,
expires), `sent:<n>` (packed keys of the instruments sent to the broker's socket, expires with it),
`run:<task>` (epoch seconds, expires), and for reading only Celery's own `celery:<queue>` (list).
"""

import asyncio
import functools
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

from marketdata.dhan.requests import MAX_CONNECTIONS
from marketdata.domain.feed import ConnectionReport
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quote_rows import QUOTE_ROW, BusFrame, Rows, decode_frame, encode_frame

CONNECTION_NUMBERS: Final = range(1, MAX_CONNECTIONS + 1)
REPORT_TTL_SECONDS: Final = 5

# A line to Redis that carries nothing, not even the answer to a ping, is given up and joined anew.
PING_AFTER_SECONDS: Final = 2.0
LOST_AFTER_SECONDS: Final = 5.0

# What every method raises when the board cannot be reached; for those who may not import redis.
BoardError = redis.RedisError
CACHE_TTL_SECONDS: Final = 24 * 3600
RUN_TTL_SECONDS: Final = 24 * 3600

# KEYS: kept hash. ARGV: epoch, "1" to start afresh, "2" to do so whoever wrote before, ttl, number of ids to drop, the
# ids, then id and row in turn.
_CACHE_ROWS: Final = """
local held = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0')
local epoch = tonumber(ARGV[1])
if held > epoch and ARGV[2] ~= '2' then return -1 end
if held ~= epoch or ARGV[2] ~= '0' then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
local gone = tonumber(ARGV[4])
for i = 5, 4 + gone do redis.call('HDEL', KEYS[1], ARGV[i]) end
for i = 5 + gone, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('EXPIRE', KEYS[1], ARGV[3])
if held == 0 and ARGV[2] == '0' then return 0 end
return 1
"""


@dataclass(frozen=True, slots=True)
class OwnerRequest:
    """Something an owner should look at: a nudge (`ask` is None) or an ask for a full frame of a connection."""

    full_frame_of: int | None


class QuoteBoard:
    """The board as seen by code that may block: services, selectors, tasks, health."""

    def __init__(self, client: "redis.Redis", prefix: str) -> None:
        self._redis = client
        self._prefix = prefix

    def ping(self) -> None:
        """Raise `redis.RedisError` if the board cannot be reached."""
        self._redis.ping()

    def nudge(self) -> None:
        """Tell every owner that what is wanted has changed. Lost nudges are made good by the owners' beat."""
        self._redis.publish(f"{self._prefix}:nudges", b"")

    def list_reports(self) -> Sequence[ConnectionReport]:
        """Return the reports of living owners, by connection number."""
        values = self._redis.mget([f"{self._prefix}:owner:{number}" for number in CONNECTION_NUMBERS])
        return [ConnectionReport.parse(orjson.loads(value)) for value in values if value]

    def list_sent(self) -> Mapping[int, frozenset[InstrumentKey]]:
        """Return what the sockets of living owners were told, by connection number."""
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
        """Return the ids of the instruments of which rows are kept, by connection number."""
        pipeline = self._redis.pipeline(transaction=False)
        for number in CONNECTION_NUMBERS:
            pipeline.hkeys(f"{self._prefix}:quotes:{number}")
        return {
            number: frozenset(int(one) for one in fields if one != b"epoch")
            for number, fields in zip(CONNECTION_NUMBERS, pipeline.execute(), strict=True)
        }

    def note_run(self, *, task: str, at: datetime) -> None:
        """Note that a periodic task finished at `at`; health tells from it that beat and its worker live."""
        self._redis.set(f"{self._prefix}:run:{task}", at.timestamp(), ex=RUN_TTL_SECONDS)

    def last_run(self, task: str) -> datetime | None:
        """Return when a periodic task last finished; None if never, or not for a day."""
        value: Any = self._redis.get(f"{self._prefix}:run:{task}")
        return datetime.fromtimestamp(float(value), tz=UTC) if value else None

    def count_queued(self, queue: str) -> int:
        """Return how many tasks wait in a Celery queue for a worker to take them."""
        count: Any = self._redis.llen(f"{self._prefix}:celery:{queue}")
        return int(count)

    def read_rows(self, instrument_ids: Iterable[int]) -> Mapping[int, np.void]:
        """Return the newest kept row of each instrument that has one, by instrument id."""
        return {one: row for one, (_, row) in self.read_cached(instrument_ids).items()}

    def read_cached(self, instrument_ids: Iterable[int]) -> Mapping[int, tuple[int, np.void]]:
        """Return the newest kept row of each instrument that has one, and its connection, by instrument id."""
        fields = [str(one) for one in instrument_ids]
        if not fields:
            return {}
        pipeline = self._redis.pipeline(transaction=False)
        for number in CONNECTION_NUMBERS:
            pipeline.hmget(f"{self._prefix}:quotes:{number}", fields)
        newest: dict[int, tuple[int, np.void]] = {}
        for number, packed in zip(CONNECTION_NUMBERS, pipeline.execute(), strict=True):
            for row in np.frombuffer(b"".join(one for one in packed if one), dtype=QUOTE_ROW):
                held = newest.get(int(row["instrument_id"]))
                if held is None or held[1]["received_at_ms"] <= row["received_at_ms"]:
                    newest[int(row["instrument_id"])] = (number, row)
        return newest


class StaleEpoch(Exception):
    """Another owner has written of this connection under a newer epoch."""


class OwnerBoard:
    """The board as seen by a feed worker, on its event loop."""

    def __init__(self, client: "redis.asyncio.Redis", prefix: str) -> None:
        self._redis = client
        self._prefix = prefix
        self._cache_script = client.register_script(_CACHE_ROWS)

    async def publish(self, frame: BusFrame) -> None:
        """Send one frame to every listening web process."""
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
        """Keep `rows` for late comers and forget `dropped` instrument ids; `replace_all` forgets all others too.

        Returns False if not all is kept now: these rows joined none, because somebody emptied Redis. Raises StaleEpoch
        if a newer epoch has written; nothing was changed then, unless this is to `overrule` it.
        """
        start = 2 if overrule else int(replace_all)
        arguments: list[Any] = [epoch, start, CACHE_TTL_SECONDS, len(dropped), *dropped]
        packed = rows.tobytes()
        size = QUOTE_ROW.itemsize
        for position, instrument_id in enumerate(rows["instrument_id"].tolist()):
            arguments += (instrument_id, packed[position * size : (position + 1) * size])
        answer = await self._cache_script(keys=[f"{self._prefix}:quotes:{connection}"], args=arguments)
        if answer < 0:
            raise StaleEpoch(connection)
        return bool(answer)

    async def report(self, report: ConnectionReport, sent: Iterable[InstrumentKey] = ()) -> None:
        """Say how a connection is and what its socket was told; the word expires by itself."""
        pipeline = self._redis.pipeline(transaction=True)
        name = f"{self._prefix}:owner:{report.connection}"
        pipeline.set(name, orjson.dumps(asdict(report)), ex=REPORT_TTL_SECONDS)
        words = np.fromiter((key.segment << 32 | key.security_id for key in sent), dtype="<u8")
        pipeline.set(f"{self._prefix}:sent:{report.connection}", words.tobytes(), ex=REPORT_TTL_SECONDS)
        await pipeline.execute()

    async def withdraw(self, connection: int) -> None:
        """Take the report of a connection that is given up on purpose off the board."""
        await self._redis.delete(f"{self._prefix}:owner:{connection}", f"{self._prefix}:sent:{connection}")

    async def requests(self) -> AsyncGenerator[OwnerRequest, None]:
        """Yield nudges and full-frame requests. Raises `redis.RedisError` or OSError when the board is lost."""
        async with self._redis.pubsub(ignore_subscribe_messages=True) as listener:
            async with asyncio.timeout(LOST_AFTER_SECONDS):
                await listener.subscribe(f"{self._prefix}:nudges", f"{self._prefix}:full_frame_requests")
            async for message in _messages(listener):
                is_request = message["channel"].endswith(b":full_frame_requests")
                yield OwnerRequest(full_frame_of=int(message["data"]) if is_request else None)


class HubBoard:
    """The board as seen by the quote hub of a web process, on its event loop."""

    def __init__(self, client: "redis.asyncio.Redis", prefix: str) -> None:
        self._redis = client
        self._prefix = prefix

    @asynccontextmanager
    async def frames(self) -> AsyncIterator[AsyncIterator[BusFrame]]:
        """Join all frame channels; inside, every frame published after joining is yielded.

        Raises `redis.RedisError` or OSError when the board is lost, `FrameError` on foreign bytes.
        """
        async with self._redis.pubsub(ignore_subscribe_messages=False) as listener:
            async with asyncio.timeout(LOST_AFTER_SECONDS):
                await listener.subscribe(*(f"{self._prefix}:frames:{number}" for number in CONNECTION_NUMBERS))
                for _ in CONNECTION_NUMBERS:
                    await listener.get_message(timeout=LOST_AFTER_SECONDS)
            yield self._decoded(listener)

    @staticmethod
    async def _decoded(listener: "redis.asyncio.client.PubSub") -> AsyncIterator[BusFrame]:
        async for message in _messages(listener):
            yield decode_frame(message["data"])

    async def aclose(self) -> None:
        """Give the connections to Redis back."""
        await self._redis.aclose()

    async def request_full_frame(self, connection: int) -> None:
        """Ask the owner of `connection` for one FULL frame."""
        await self._redis.publish(f"{self._prefix}:full_frame_requests", str(connection))

    async def read_cache(self, connection: int) -> tuple[int, Rows]:
        """Return (epoch, rows) kept of `connection`: for when no owner answers. (0, no rows) if nothing is."""
        fields: dict[Any, Any] = await self._redis.hgetall(f"{self._prefix}:quotes:{connection}")
        epoch = int(fields.pop(b"epoch", b"0"))
        return epoch, np.frombuffer(b"".join(fields.values()), dtype=QUOTE_ROW)

    async def list_reports(self) -> Sequence[ConnectionReport]:
        """Return the reports of living owners, by connection number."""
        values = await self._redis.mget([f"{self._prefix}:owner:{number}" for number in CONNECTION_NUMBERS])
        return [ConnectionReport.parse(orjson.loads(value)) for value in values if value]


async def _messages(listener: "redis.asyncio.client.PubSub") -> AsyncIterator[Mapping[str, Any]]:
    """Yield what is published. A listener that only waits would never notice that its line is dead."""
    loop = asyncio.get_running_loop()
    heard_at = loop.time()
    while True:
        message = await listener.get_message(timeout=PING_AFTER_SECONDS / 2)
        silent_seconds = loop.time() - heard_at
        if message is not None:
            heard_at = loop.time()
            if message["type"] == "message":
                yield message
                heard_at = loop.time()
        elif silent_seconds >= LOST_AFTER_SECONDS:
            raise redis.ConnectionError(f"nothing for {silent_seconds:.0f} s, and no answer to a ping")
        elif silent_seconds >= PING_AFTER_SECONDS:
            await listener.ping()


@functools.cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)


def connect() -> QuoteBoard:
    """Return the board of the configured Redis; connections are pooled per process, none is opened yet."""
    return QuoteBoard(_client(settings.REDIS_URL), settings.REDIS_PREFIX)


def _async_client() -> "redis.asyncio.Redis":
    return redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, health_check_interval=5)


def connect_owner() -> OwnerBoard:
    """Return the board for a feed worker's event loop."""
    return OwnerBoard(_async_client(), settings.REDIS_PREFIX)


def connect_hub() -> HubBoard:
    """Return the board for a web process's event loop."""
    return HubBoard(_async_client(), settings.REDIS_PREFIX)
