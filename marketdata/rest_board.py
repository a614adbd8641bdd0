"""STORE. The rest board in Redis: the answers of the broker's REST API, as all processes know them together.

The only module that knows these keys, under the prefix of the source. All but `odd_items` expire.

    odd_items                      hash: answer:kind -> number of odd items
    price_waits, candle_waits      hashes: instrument id -> failures:epoch milliseconds
    chain_waits                    hash: series -> the same
    candles_requested:<day>        a counter
    rest_turn                      a `Turn`
    chain_turn, chain_pause        exist; `chain_turn` also with a series, candles or a second behind it
    intraday:<instrument id>:<minutes>  packed `IntradayCandles`
    wanted_spots                   sorted set: instrument id by epoch seconds
    spot_answers                   hash: instrument id -> price:epoch milliseconds
    chain:<series>                 a packed `BrokerChain`

Redis may lose all of them: counters begin again, and each price, candle and chain is requested once more.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeVar

import redis
from django.conf import settings

from marketdata.domain.broker_chains import HEADER_BYTES, BrokerChain, decode_chain, decode_time, encode_chain
from marketdata.domain.instruments import SeriesKey
from marketdata.domain.intraday import IntradayCandles, decode_candles, encode_candles
from marketdata.redis_client import pooled_client

# Chosen: above the longest wait (`domain.price_requests`), so that a wait ends by its time and not by this one.
WAITS_TTL_SECONDS: Final = 3_600
# Chosen: above a day, the longest wait for a candle or a chain.
CANDLES_TTL_SECONDS: Final = 2 * 86_400
# Chosen: above the time for which an answer is used (`services.price_requests`), for the same reason.
ANSWERS_TTL_SECONDS: Final = 300
# Chosen: four days, so that the chains of a Friday are there after a weekend and a holiday.
CHAINS_TTL_SECONDS: Final = 4 * 86_400

Name = TypeVar("Name", int, str)


class Turn(StrEnum):
    """Whether the caller may send the account's next market-data request."""

    TAKEN = "taken"
    BUSY = "busy"  # less than an interval ago another caller took a turn
    FAILED = "failed"  # as BUSY, and that request found the broker unavailable


@dataclass(frozen=True, slots=True)
class PriceWait:
    """How often a price or candle of an instrument was requested in vain, and when it may be requested again."""

    failures: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class SpotAnswer:
    """The broker's latest answer about a spot: its price in rupees, None where the answer did not contain it."""

    ltp: Decimal | None
    at: datetime


class RestBoard:
    """The board for code that may block. Each method raises BoardError when Redis is unreachable."""

    def __init__(self, client: "redis.Redis", prefix: str) -> None:
        self._redis = client
        self._odd_items, self._waits = f"{prefix}:odd_items", f"{prefix}:price_waits"
        self._candle_waits, self._candles = f"{prefix}:candle_waits", f"{prefix}:candles_requested"
        self._turn, self._wanted = f"{prefix}:rest_turn", f"{prefix}:wanted_spots"
        self._answers = f"{prefix}:spot_answers"
        self._chain, self._chain_waits = f"{prefix}:chain", f"{prefix}:chain_waits"
        self._prefix = prefix
        self._chain_turn, self._chain_pause = f"{prefix}:chain_turn", f"{prefix}:chain_pause"

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
        return self._list_waits(self._waits, instrument_ids)

    def replace_price_waits(self, waits: Mapping[int, PriceWait], *, ended: Collection[int]) -> None:
        """Write `waits` and delete those of the instruments in `ended`."""
        pipeline = self._redis.pipeline(transaction=False)
        for one in ended:
            pipeline.hdel(self._waits, str(one))
        _write_waits(pipeline, self._waits, waits, ttl_seconds=WAITS_TTL_SECONDS)
        pipeline.execute()

    def list_candle_waits(self, instrument_ids: Collection[int]) -> Mapping[int, PriceWait]:
        """Return the waits for candles of those of the instruments that have one."""
        return self._list_waits(self._candle_waits, instrument_ids)

    def count_candle_requests(self, day: date) -> int:
        """Return how many candles were requested on this day."""
        value: Any = self._redis.get(f"{self._candles}:{day}")
        return int(value or 0)

    def note_candle_requests(self, day: date, count: int, waits: Mapping[int, PriceWait]) -> None:
        """Add to the requests of this day, and write the waits of the requested instruments."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.incrby(f"{self._candles}:{day}", count)
        pipeline.expire(f"{self._candles}:{day}", CANDLES_TTL_SECONDS)
        _write_waits(pipeline, self._candle_waits, waits, ttl_seconds=CANDLES_TTL_SECONDS)
        pipeline.execute()

    def take_turn(self, milliseconds: int) -> Turn:
        """Take the turn of the account for `milliseconds`, if no caller has it; return what came of it."""
        if self._redis.set(self._turn, Turn.BUSY, nx=True, px=milliseconds):
            return Turn.TAKEN
        return Turn.FAILED if self._redis.get(self._turn) == Turn.FAILED.encode() else Turn.BUSY

    def note_failed_turn(self, milliseconds: int) -> None:
        """Tell other callers for `milliseconds` that the broker is unavailable."""
        self._redis.set(self._turn, Turn.FAILED, px=milliseconds)

    def note_wanted(self, instrument_id: int, *, at: datetime) -> None:
        """Record that a caller waits for the price of this spot."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.zadd(self._wanted, {str(instrument_id): at.timestamp()})
        pipeline.expire(self._wanted, ANSWERS_TTL_SECONDS)
        pipeline.execute()

    def list_wanted(self, *, since: datetime) -> Sequence[int]:
        """Return the spots that callers have waited for `since` then, the longest first."""
        found: Any = self._redis.zrangebyscore(self._wanted, since.timestamp(), "+inf")
        return [int(one) for one in found]

    def read_answer(self, instrument_id: int) -> SpotAnswer | None:
        """Return the latest answer about this spot; None if there is none."""
        value: Any = self._redis.hget(self._answers, str(instrument_id))
        if value is None:
            return None
        ltp, _, at_ms = value.decode().partition(":")
        return SpotAnswer(Decimal(ltp) if ltp else None, datetime.fromtimestamp(int(at_ms) / 1_000, tz=UTC))

    def write_answers(self, answers: Mapping[int, Decimal | None], *, at: datetime) -> None:
        """Write the latest answer about each of these spots; nobody waits for them any more."""
        if not answers:
            return
        at_ms = round(at.timestamp() * 1_000)
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hset(
            self._answers,
            mapping={str(one): f"{'' if ltp is None else ltp}:{at_ms}" for one, ltp in answers.items()},
        )
        pipeline.expire(self._answers, ANSWERS_TTL_SECONDS)
        pipeline.zrem(self._wanted, *(str(one) for one in answers))
        pipeline.execute()

    def take_chain_turn(self, milliseconds: int) -> bool:
        """Take the turn of the periodic requests for chains for `milliseconds`; return False if a caller has it."""
        return bool(self._redis.set(self._chain_turn, "", nx=True, px=milliseconds))

    def take_chain_request(self, series: SeriesKey, *, milliseconds: int, most_a_second: int, at: datetime) -> bool:
        """Return whether the caller may request the chain of a series for one who waits.

        At most one caller in `milliseconds` may for each series, at most `most_a_second` for all, none in a pause.
        """
        return self._take_request(_name_of(series), milliseconds, most_a_second, at)

    def take_intraday_request(
        self, instrument_id: int, interval: int, *, milliseconds: int, most_a_second: int, at: datetime
    ) -> bool:
        """Return whether the caller may request the candles of an instrument: as for a chain, with the same limit."""
        return self._take_request(_name_of_candles(instrument_id, interval), milliseconds, most_a_second, at)

    def end_intraday_request(self, instrument_id: int, interval: int) -> None:
        """Let another caller request these candles: the answer is written."""
        self._redis.delete(f"{self._chain_turn}:{_name_of_candles(instrument_id, interval)}")

    def read_intraday(self, instrument_id: int, interval: int) -> IntradayCandles | None:
        """Return the broker's latest answer about these candles; None if there is none."""
        value: Any = self._redis.get(f"{self._prefix}:{_name_of_candles(instrument_id, interval)}")
        return decode_candles(value or b"")

    def write_intraday(self, instrument_id: int, interval: int, answer: IntradayCandles) -> None:
        """Replace the latest answer about these candles."""
        key = f"{self._prefix}:{_name_of_candles(instrument_id, interval)}"
        self._redis.set(key, encode_candles(answer), ex=CHAINS_TTL_SECONDS)

    def _take_request(self, name: str, milliseconds: int, most_a_second: int, at: datetime) -> bool:
        turn, second = f"{self._chain_turn}:{name}", f"{self._chain_turn}:{int(at.timestamp())}"
        # First, so that those who wait for a request that is under way do not use up the second.
        if not self._redis.set(turn, "", nx=True, px=milliseconds):
            return False
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.exists(self._chain_pause)
        pipeline.incr(second)
        pipeline.expire(second, 2)
        is_paused, count, _ = pipeline.execute()
        if is_paused or count > most_a_second:
            self._redis.delete(turn)
            return False
        return True

    def pause_chains(self, milliseconds: int) -> None:
        """Let no caller request a chain for `milliseconds`: the broker is unavailable."""
        self._redis.set(self._chain_pause, "", px=milliseconds)

    def are_chains_paused(self) -> bool:
        """Return whether no caller may request a chain."""
        return bool(self._redis.exists(self._chain_pause))

    def list_chain_times(self, series: Collection[SeriesKey]) -> Mapping[SeriesKey, datetime]:
        """Return when the chain of each of these series was received, of those that are here."""
        pipeline = self._redis.pipeline(transaction=False)
        for one in series:
            pipeline.getrange(self._chain_key(one), 0, HEADER_BYTES - 1)
        times = zip(series, map(decode_time, pipeline.execute()), strict=True)
        return {one: at for one, at in times if at is not None}

    def read_chains(self, series: Collection[SeriesKey]) -> Mapping[SeriesKey, BrokerChain]:
        """Return the chains of those of these series that are here."""
        if not series:
            return {}
        values: Any = self._redis.mget([self._chain_key(one) for one in series])
        chains = zip(series, (decode_chain(value or b"") for value in values), strict=True)
        return {one: chain for one, chain in chains if chain is not None}

    def write_chain(self, series: SeriesKey, chain: BrokerChain) -> None:
        """Replace the chain of a series; its wait ends."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.set(self._chain_key(series), encode_chain(chain), ex=CHAINS_TTL_SECONDS)
        pipeline.hdel(self._chain_waits, _name_of(series))
        pipeline.execute()

    def list_chain_waits(self, series: Collection[SeriesKey]) -> Mapping[SeriesKey, PriceWait]:
        """Return the waits for chains of those of these series that have one."""
        names = {_name_of(one): one for one in series}
        return {names[name]: wait for name, wait in self._list_waits(self._chain_waits, names).items()}

    def note_chain_waits(self, waits: Mapping[SeriesKey, PriceWait]) -> None:
        """Write the waits of series whose chains were requested in vain."""
        pipeline = self._redis.pipeline(transaction=False)
        named = {_name_of(one): wait for one, wait in waits.items()}
        _write_waits(pipeline, self._chain_waits, named, ttl_seconds=CANDLES_TTL_SECONDS)
        pipeline.execute()

    def _chain_key(self, series: SeriesKey) -> str:
        return f"{self._chain}:{_name_of(series)}"

    def _list_waits(self, key: str, names: Collection[Name]) -> Mapping[Name, PriceWait]:
        """Return the waits by what they are about: an instrument id, or the name of a series."""
        if not names:
            return {}
        values: Any = self._redis.hmget(key, [str(one) for one in names])
        found = {}
        for one, value in zip(names, values, strict=True):
            if value is not None:
                failures, due_at_ms = value.split(b":")
                found[one] = PriceWait(int(failures), datetime.fromtimestamp(int(due_at_ms) / 1_000, tz=UTC))
        return found


def _name_of(series: SeriesKey) -> str:
    return f"{series.segment.name}:{series.underlying}:{series.expiry.isoformat()}"


def _name_of_candles(instrument_id: int, interval: int) -> str:
    return f"intraday:{instrument_id}:{interval}"


def _write_waits(pipeline: Any, key: str, waits: Mapping[Name, PriceWait], *, ttl_seconds: int) -> None:
    for one, wait in waits.items():
        pipeline.hset(key, str(one), f"{wait.failures}:{round(wait.due_at.timestamp() * 1_000)}")
    pipeline.expire(key, ttl_seconds)


def connect() -> RestBoard:
    """Return the board of the configured Redis; opens no connection. Connections are pooled per process."""
    return RestBoard(pooled_client(settings.REDIS_URL), settings.REDIS_PREFIX)
