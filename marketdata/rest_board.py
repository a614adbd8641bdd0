"""STORE. The rest board in Redis: the answers of the broker's REST API, as all processes know them together.

The only module that knows these keys, under the prefix of the source: `odd_items` (hash: answer:kind -> number of odd
items) and `price_waits` (hash: instrument id -> failures:epoch milliseconds, expires). Redis may lose both: counters
begin again, and each price is requested once more.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import redis
from django.conf import settings

from marketdata import quote_board

# Chosen: above the longest wait (`domain.price_requests`), so that a wait ends by its time and not by this one.
WAITS_TTL_SECONDS: Final = 3_600


@dataclass(frozen=True, slots=True)
class PriceWait:
    """How often the price of an instrument was requested in vain, and when it may be requested again."""

    failures: int
    due_at: datetime


class RestBoard:
    """The board for code that may block. Each method raises BoardError when Redis is unreachable."""

    def __init__(self, client: "redis.Redis", prefix: str) -> None:
        self._redis = client
        self._odd_items, self._waits = f"{prefix}:odd_items", f"{prefix}:price_waits"

    def count_odd_items(self, answer: str, counts: Mapping[str, int]) -> None:
        """Add the odd items of one answer, by kind."""
        pipeline = self._redis.pipeline(transaction=False)
        for kind, count in counts.items():
            pipeline.hincrby(self._odd_items, f"{answer}:{kind}", count)
        pipeline.execute()

    def read_odd_items(self) -> Mapping[tuple[str, str], int]:
        """Return the number of odd items since Redis was emptied, by answer and kind."""
        counts: Any = self._redis.hgetall(self._odd_items)
        names = {name: name.decode().partition(":") for name in counts}
        return {(names[name][0], names[name][2]): int(count) for name, count in counts.items()}

    def list_price_waits(self, instrument_ids: Collection[int]) -> Mapping[int, PriceWait]:
        """Return the waits of those of the instruments that have one."""
        if not instrument_ids:
            return {}
        values: Any = self._redis.hmget(self._waits, [str(one) for one in instrument_ids])
        found = {}
        for one, value in zip(instrument_ids, values, strict=True):
            if value is not None:
                failures, due_at_ms = value.split(b":")
                found[one] = PriceWait(int(failures), datetime.fromtimestamp(int(due_at_ms) / 1_000, tz=UTC))
        return found

    def replace_price_waits(self, waits: Mapping[int, PriceWait], *, ended: Collection[int]) -> None:
        """Write `waits` and delete those of the instruments in `ended`."""
        pipeline = self._redis.pipeline(transaction=False)
        for one in ended:
            pipeline.hdel(self._waits, str(one))
        for one, wait in waits.items():
            pipeline.hset(self._waits, str(one), f"{wait.failures}:{round(wait.due_at.timestamp() * 1_000)}")
        pipeline.expire(self._waits, WAITS_TTL_SECONDS)
        pipeline.execute()


def connect() -> RestBoard:
    """Return the board of the configured Redis; opens no connection. Connections are pooled per process."""
    return RestBoard(quote_board.pooled_client(settings.REDIS_URL), settings.REDIS_PREFIX)
