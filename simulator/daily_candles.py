"""The daily candles of `charts/historical`, of all weekdays before the present day.

The newest one has the previous close and open interest of the market. Earlier ones are drawn from a generator seeded by
instrument and day, around that close: the same question has the same answer. The format follows a recorded answer
(January 2025), with large numbers in scientific notation.
"""

import json
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Final

import numpy as np

from marketdata.domain.sessions import IST
from simulator.market import Market
from simulator.option_chains import rupees

SATURDAY: Final = 5  # of `date.weekday`
LONGEST_DAYS: Final = 5 * 366  # documented: five years back
DAY: Final = timedelta(days=1)

_Columns = dict[str, list[float]]


def list_candles(market: Market, row: int, *, first: date, end: date, today: date, with_oi: bool) -> _Columns:
    """Return the candles from `first` to the day before `end`, as columns; empty ones for a range without a candle."""
    end = min(end, today)
    days = [end - number * DAY for number in range(1, min((end - first).days, LONGEST_DAYS) + 1)]
    newest = next(day for number in range(1, 4) if (day := today - number * DAY).weekday() < SATURDAY)
    columns: _Columns = {name: [] for name in ("open", "high", "low", "close", "volume", "timestamp")}
    if with_oi:
        columns["open_interest"] = []
    for day in reversed(days):
        if day.weekday() < SATURDAY and day <= newest:
            for name, value in _candle(market, row, day, is_newest=day == newest).items():
                if name in columns:
                    columns[name].append(value)
    return columns


def _candle(market: Market, row: int, day: date, *, is_newest: bool) -> Mapping[str, float]:
    chance = np.random.default_rng([market.contracts.keys[row].security_id, day.toordinal()])
    previous = float(market.bodies["day_close"][row])
    # Chosen: earlier closes within a few percent of the newest, and days of about half a percent.
    close = previous if is_newest else previous * (1.0 + 0.02 * chance.uniform(-1.0, 1.0))
    opened = close * (1.0 + 0.005 * chance.uniform(-1.0, 1.0))
    return {
        "open": rupees(np.float32(opened)),
        "high": rupees(np.float32(max(opened, close) * 1.002)),
        "low": rupees(np.float32(min(opened, close) / 1.002)),
        "close": rupees(np.float32(close)),
        "volume": 0.0 if market.contracts.is_index[row] else float(market.previous_volume[row]),
        "timestamp": datetime.combine(day, time(), IST).timestamp(),
        "open_interest": float(market.previous_oi[row]),
    }


def encode(body: object) -> str:
    """Return JSON with floats of ten million and more as Java writes them: 1.7454579E7."""
    return re.sub(r"\b\d{8,}\.\d+\b", lambda found: _in_java(float(found[0])), json.dumps(body))


def _in_java(number: float) -> str:
    # The fewest digits that are read as the same number, at least one after the point.
    shortest = next(text for text in (f"{number:.{places}e}" for places in range(1, 17)) if float(text) == number)
    digits, _, exponent = shortest.partition("e")
    return f"{digits}E{int(exponent)}"
