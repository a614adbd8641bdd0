"""The straddle at the money of a series over the present day, as the analytics worker stored it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import numpy as np

from marketdata import straddle_board
from marketdata.domain.analytics.straddle_points import MINUTE_SECONDS, decode_points
from marketdata.domain.instruments import SeriesKey
from marketdata.domain.sessions import IST
from marketdata.selectors.named_symbols import resolve_symbol
from marketdata.selectors.series import get_series

_DECIMALS: Final = {"straddle": 2, "atm_strike": 4, "atm_iv": 2, "forward": 2}
"""As the worker rounded them; a strike has four at most."""

Point = tuple[int, float, float, float | None, float | None]


@dataclass(frozen=True, slots=True)
class StraddleDay:
    """The points of a series on a day in India, packed; `payload` changes with each point."""

    series: SeriesKey
    day: date
    payload: bytes

    def list_points(self) -> Sequence[Point]:
        """Return (epoch seconds of the minute, straddle, strike, volatility, forward), the earliest first.

        Rupees, percent; None is unknown.
        """
        points = decode_points(self.payload)
        times = (points["minute"].astype(np.int64) * MINUTE_SECONDS).tolist()
        columns: list[list[Any]] = [
            np.round(points[name].astype(float), decimals).tolist() for name, decimals in _DECIMALS.items()
        ]
        # NaN is the only value that differs from itself.
        known = [[None if value != value else value for value in column] for column in columns]  # noqa: PLR0124
        return list(zip(times, *known, strict=True))


def get_straddle_day(
    *, symbol: str, exchange: str | None = None, expiry: date | None = None, now: datetime
) -> StraddleDay:
    """Return the points of today of the options on `symbol` that expire at `expiry`; without it at the nearest.

    Raises NoOptions, UnknownExpiry, NoSpot, BoardError, and the errors of `resolve_symbol`.
    """
    named = resolve_symbol(symbol=symbol, exchange=exchange, expiry=expiry)
    series = get_series(underlying=named.underlying, expiry=named.expiry, now=now).series
    day = now.astimezone(IST).date()
    return StraddleDay(series, day, straddle_board.connect().read(series, day))
