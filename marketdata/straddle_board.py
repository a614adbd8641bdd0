"""STORE. The points of the present day's straddles in Redis, one string of packed points for each series.

The only module that knows these keys, under the prefix of the source: `straddles:<layout>:<day>:<series>`. They expire
at the end of the day. The leading analytics worker appends a point a minute to each, all in one command, under its
epoch as the fencing token. A minute that a series has is not written again: a worker that starts, or takes over,
continues.

Redis may lose all of it: the chart then begins at the next minute.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import redis
import redis.asyncio
from django.conf import settings

from marketdata.domain.analytics.straddle_points import LAYOUT, POINT, Points, day_of, end_of
from marketdata.domain.instruments import SeriesKey
from marketdata.quote_board import StaleEpoch
from marketdata.redis_client import pooled_client

# KEYS[1]: the cache of series, which has the newest epoch (`derived_board`). KEYS from 2: the points of a series each.
# ARGV: epoch, the end of the day in epoch seconds, the size of a point, then one point for each series as one string;
# a point begins with its minute, in four bytes.
_APPEND: Final = """
if tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0') > tonumber(ARGV[1]) then return -1 end
local size, points, count = tonumber(ARGV[3]), ARGV[4], 0
for i = 2, #KEYS do
  -- Damaged values end: all points after damaged bytes would be read at the wrong places.
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and (kind ~= 'string' or redis.call('STRLEN', KEYS[i]) % size ~= 0) then
    redis.call('DEL', KEYS[i])
  end
  local point = string.sub(points, (i - 2) * size + 1, (i - 1) * size)
  local last = redis.call('GETRANGE', KEYS[i], -size, -1)
  if #last < size or struct.unpack('<I4', last) < struct.unpack('<I4', point) then
    redis.call('APPEND', KEYS[i], point)
    redis.call('EXPIREAT', KEYS[i], ARGV[2])
    count = count + 1
  end
end
return count
"""


class StraddleBoard:
    """The points for code that may block."""

    def __init__(self, client: "redis.Redis", prefix: str) -> None:
        self._redis = client
        self._prefix = prefix

    def read(self, series: SeriesKey, day: date) -> bytes:
        """Return the packed points of a series on a day in India; no bytes without one. Raises BoardError."""
        found: Any = self._redis.get(_key_of(self._prefix, series, day))
        return bytes(found or b"")


class StraddleWriter:
    """The points for the event loop of the analytics worker that leads."""

    def __init__(self, client: "redis.asyncio.Redis", prefix: str) -> None:
        self._redis = client
        self._prefix = prefix
        self._append_script = client.register_script(_APPEND)

    async def append(self, series: Sequence[SeriesKey], points: Points, *, epoch: int) -> int:
        """Append one point to each series, all of one minute; return how many did not have this minute.

        Raises StaleEpoch, and changes nothing, if a worker with a newer epoch has written; BoardError or OSError.
        """
        if not series:
            return 0
        day = day_of(int(points["minute"][0]))
        keys = [f"{self._prefix}:derived:series", *(_key_of(self._prefix, one, day) for one in series)]
        count = await self._append_script(keys=keys, args=[epoch, end_of(day), POINT.itemsize, points.tobytes()])
        if count < 0:
            raise StaleEpoch("a worker with a newer epoch has written the analytics")
        return int(count)

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        await self._redis.aclose()


def _key_of(prefix: str, series: SeriesKey, day: date) -> str:
    name = f"{series.segment.name}:{series.underlying}:{series.expiry.isoformat()}"
    return f"{prefix}:straddles:{LAYOUT}:{day.isoformat()}:{name}"


def connect() -> StraddleBoard:
    """Return the board of the configured Redis; opens no connection. Connections are pooled per process."""
    return StraddleBoard(pooled_client(settings.REDIS_URL), settings.REDIS_PREFIX)


def connect_writer() -> StraddleWriter:
    """Return the writer for an event loop; opens no connection."""
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2)
    return StraddleWriter(client, settings.REDIS_PREFIX)
