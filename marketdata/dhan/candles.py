"""Reader of the broker's daily candles, the answer of `charts/historical`.

The answer is one list per field, in the order of the days; `timestamp` is a true UTC epoch, of a daily candle midnight
in IST. Numbers are floats, large ones in scientific notation (docs/dhan.md, section "REST").
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from marketdata.dhan.rest_answers import OddItems, OddKind, OddValue, read_count, read_price
from marketdata.domain.sessions import IST


@dataclass(frozen=True, slots=True)
class DailyCandle:
    """The close of one day in rupees, and the open interest at its end, None where the answer has none."""

    close: float
    oi: int | None


def read_candle(answer: Mapping[str, Any], day: date) -> tuple[DailyCandle | None, OddItems]:
    """Return the candle of `day`, None without a readable one, and the odd candles of the answer.

    Raises OddValue if timestamps and closes are not two lists of the same length.
    """
    timestamps, closes = read_column(answer, "timestamp"), read_column(answer, "close")
    interests = answer.get("open_interest")
    if len(timestamps) != len(closes):
        raise OddValue(OddKind.FORM)
    odd, found = OddItems(), None
    for position, timestamp in enumerate(timestamps):
        has_oi = isinstance(interests, list) and position < len(interests)
        candle = {"timestamp": timestamp, "close": closes[position]}
        try:
            if _day_of(candle) == day:
                close = read_price(candle, "close")
                oi = read_count({"oi": interests[position]}, "oi") if has_oi and interests else None
                found = DailyCandle(close, oi) if close else None
        except OddValue as error:
            odd.note(error.kind, f"candle {position}")
    return found, odd


def read_column(answer: Mapping[str, Any], name: str) -> list[Any]:
    """Return one list of an answer of candles. Raises OddValue."""
    if not isinstance(answer.get(name), list):
        raise OddValue(OddKind.FORM if name in answer else OddKind.MISSING)
    column: list[Any] = answer[name]
    return column


def _day_of(candle: Mapping[str, Any]) -> date:
    return datetime.fromtimestamp(read_count(candle, "timestamp"), UTC).astimezone(IST).date()
