"""The candles of `charts/intraday`: of spots and futures, minute by minute up to the present one.

Since the start of the simulator they are what its market did. Of the minutes before, and of earlier days, they are
drawn from a generator seeded by instrument and day: the same question has the same answer. The last candle ends at the
last price of the feed. The format follows a recorded answer, as in `daily_candles`.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple

import numpy as np

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import IST
from simulator.daily_candles import SATURDAY
from simulator.market import Market
from simulator.minute_levels import MINUTE
from simulator.option_chains import rupees
from simulator.pricing import Floats

INTERVALS: Final = (1, 5, 15, 25, 60)  # documented, minutes
LONGEST_DAYS: Final = 90  # documented: of one request
OPENS: Final = {ExchangeSegment.MCX_COMM: time(9)}  # docs/dhan.md; others at 09:15
USUAL_OPENING: Final = time(9, 15)
DAY_MINUTES: Final = 375  # chosen for earlier days: 09:15 to 15:30
STEP: Final = 0.0001  # chosen: 0.2 % a day, so that the walk stays about within high and low of the day
DAY: Final = timedelta(days=1)

_Columns = dict[str, list[float]]


class _Candle(NamedTuple):
    at: int
    open: float
    high: float
    low: float
    close: float


def list_candles(market: Market, row: int, *, first: datetime, last: datetime, now: datetime, minutes: int) -> _Columns:
    """Return the candles that open from `first` to `last`, both included, as columns."""
    found: list[_Candle] = []
    day = first.date()
    while day <= min(last.date(), now.date()):
        if day == now.date():
            found += _today(market, row, now)
        elif day.weekday() < SATURDAY:
            found += _earlier(market, row, day)
        day += DAY
    # A long candle begins with the session, not with the hour.
    wanted = [one for one in _merge(found, minutes) if first.timestamp() <= one.at <= last.timestamp()]
    columns: _Columns = {
        name: [rupees(np.float32(getattr(one, name))) for one in wanted] for name in ("open", "high", "low", "close")
    }
    columns["volume"] = [0.0] * len(wanted)
    columns["timestamp"] = [float(one.at) for one in wanted]
    return columns


def _opening(market: Market, row: int, day: date) -> datetime:
    opens = OPENS.get(market.contracts.keys[row].segment, USUAL_OPENING)
    return datetime.combine(day, opens, IST)


def _today(market: Market, row: int, now: datetime) -> list[_Candle]:
    """Return the day so far. The simulator trades at any hour: before the opening the day begins at midnight."""
    opens = _opening(market, row, now.date())
    begin = opens if opens <= now else datetime.combine(now.date(), time(), IST)
    rows, body = np.array([row]), market.bodies[row]
    # A future is above the level of its driver; its carry of today serves all minutes.
    carry = float(market.forward(rows)[0] / market.spot(rows)[0])
    recorded = [
        _Candle(at, *(float(level) * carry for level in levels))
        for at, levels in market.minutes.list_minutes(int(market.contracts.driver[row]))
        if at >= begin.timestamp()
    ]
    known_from = recorded[0].at if recorded else _minute_of(now)
    count = (known_from - int(begin.timestamp())) // MINUTE
    end = recorded[0].open if recorded else float(body["ltp"])
    path = _bridge(market, row, now.date(), count, start=float(body["day_open"]), end=end)
    candles = _candles(int(begin.timestamp()), path) + recorded
    if not candles:
        return []
    # What was traded last is at the bid or the ask, not at the level between.
    last, ltp = candles[-1], float(body["ltp"])
    return [*candles[:-1], _Candle(last.at, last.open, max(last.high, ltp), min(last.low, ltp), ltp)]


def _earlier(market: Market, row: int, day: date) -> list[_Candle]:
    close = float(market.bodies["day_close"][row])
    path = _bridge(market, row, day, DAY_MINUTES, start=close * 0.998, end=close)
    return _candles(int(_opening(market, row, day).timestamp()), path)


def _bridge(market: Market, row: int, day: date, count: int, *, start: float, end: float) -> Floats:
    """Return `count` + 1 prices from `start` to `end`, a random walk that is bent to its end."""
    if count <= 0:
        return np.array([end])
    chance = np.random.default_rng([market.contracts.keys[row].security_id, day.toordinal(), MINUTE])
    walk = np.concatenate(([0.0], np.cumsum(chance.standard_normal(count) * STEP)))
    share = np.arange(count + 1) / count
    return np.asarray(start + (end - start) * share + end * (walk - walk[-1] * share))


def _candles(begin: int, path: Floats) -> list[_Candle]:
    """Return a candle between each two prices of a path."""
    pairs = zip(path[:-1].tolist(), path[1:].tolist(), strict=True)
    return [
        _Candle(begin + number * MINUTE, opened, max(opened, closed), min(opened, closed), closed)
        for number, (opened, closed) in enumerate(pairs)
    ]


def _merge(candles: Sequence[_Candle], minutes: int) -> list[_Candle]:
    """Return candles of `minutes`, counted from the first one of each day."""
    groups: dict[tuple[date, int], list[_Candle]] = {}
    begins: dict[date, int] = {}
    for one in candles:
        day = datetime.fromtimestamp(one.at, IST).date()
        begin = begins.setdefault(day, one.at)
        groups.setdefault((day, (one.at - begin) // (minutes * MINUTE)), []).append(one)
    return [
        _Candle(
            begins[day] + number * minutes * MINUTE,
            group[0].open,
            max(one.high for one in group),
            min(one.low for one in group),
            group[-1].close,
        )
        for (day, number), group in groups.items()
    ]


def _minute_of(now: datetime) -> int:
    return int(now.timestamp()) // MINUTE * MINUTE
