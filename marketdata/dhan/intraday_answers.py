"""Reader of the broker's intraday candles, the answer of `charts/intraday`, item by item.

The answer is one list per field, in the order of time; `timestamp` is a true UTC epoch at the opening of a candle.
Numbers are floats, large ones in scientific notation (docs/dhan.md, section "REST"). A candle is taken whole or not at
all; the volume of an index is zero.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np

from marketdata.dhan.candles import read_column
from marketdata.dhan.rest_answers import OddItems, OddKind, OddValue, read_count, read_price
from marketdata.domain.intraday import CANDLE, Candles
from marketdata.domain.sessions import IST

_Row = tuple[int, float, float, float, float, float]
PRICES: Final = ("open", "high", "low", "close")


def read_intraday(answer: Mapping[str, Any], *, first: date, last: date) -> tuple[Candles, OddItems]:
    """Return the candles of the newest day of the answer, an array of CANDLE in the order of time, and its odd candles.

    Candles outside of `first` to `last` are odd, and those that are not after the one before. Raises OddValue if a
    field is missing, or the lists differ in length.
    """
    columns = {name: read_column(answer, name) for name in ("timestamp", *PRICES)}
    volumes = answer.get("volume")
    length = len(columns["timestamp"])
    if any(len(column) != length for column in columns.values()):
        raise OddValue(OddKind.FORM)
    if isinstance(volumes, list) and len(volumes) == length:
        columns["volume"] = volumes
    odd = OddItems()
    rows: list[_Row] = []
    for position in range(length):
        item = {name: column[position] for name, column in columns.items()}
        try:
            row = _read_candle(item)
            if not first <= _day_of(row[0]) <= last or (rows and row[0] <= rows[-1][0]):
                raise OddValue(OddKind.TIME)
        except OddValue as error:
            odd.note(error.kind, f"candle {position}")
        else:
            rows.append(row)
    newest = _day_of(rows[-1][0]) if rows else None
    return np.array([row for row in rows if _day_of(row[0]) == newest], dtype=CANDLE), odd


def _read_candle(item: Mapping[str, Any]) -> _Row:
    prices = [read_price(item, name) for name in PRICES]
    # A price of zero is no price, and a candle contains what it opens and closes at.
    opened, high, low, closed = (0.0 if price is None else price for price in prices)
    if not 0 < low <= min(opened, closed) <= max(opened, closed) <= high:
        raise OddValue(OddKind.FORM)
    volume = read_count(item, "volume") if "volume" in item else np.nan
    return read_count(item, "timestamp"), opened, high, low, closed, volume


def _day_of(at: int) -> date:
    return datetime.fromtimestamp(at, UTC).astimezone(IST).date()
