"""The price of an option from which its volatility is computed, or the reason why there is none.

All arrays of one call have the same shape, an element for each option. A price of zero is unknown.
"""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from marketdata.domain.analytics.black76 import Floats

MAX_SPREAD: Final = 0.05  # of the mid (libraries.md 2.2): a wider quote says little about the value.
MAX_SPREAD_TICKS: Final = 4  # the same rule, for cheap options: four ticks are more than 5 % below 4 rupees.
_ROUNDING: Final = 1e-6  # relative; a float32 price is up to 6e-8 off, and 0.20 of spread is not exactly four ticks.


class IvReason(IntEnum):
    """Why an option has no implied volatility. The names are published in lower case."""

    NONE = 0  # it has one
    NO_PRICE = 1  # neither bid and ask nor a trade
    WIDE_SPREAD = 2  # bid and ask are too far apart, and no trade is newer
    NO_FORWARD = 3  # no price of the future, nor of a call and a put at the money
    BELOW_INTRINSIC = 4  # the price is not above the intrinsic value: no volatility explains it
    NO_SOLUTION = 5  # the price is above that of the highest volatility
    NOT_COMPUTED = 6  # it does not stream, or the analytics worker does not run


class Premiums(NamedTuple):
    """Prices in rupees, NaN where unknown, and the reason where unknown."""

    price: Floats
    reason: npt.NDArray[np.uint8]


def choose_premiums(
    *, bid: Floats, ask: Floats, ltp: Floats, tick_size: Floats, is_trade_newer: npt.NDArray[np.bool_]
) -> Premiums:
    """Return the mid of a narrow quote, else the last trade where it is newer than the quote or where there is none."""
    has_quote = (bid > 0) & (ask >= bid)
    mid = (bid + ask) / 2
    widest = np.maximum(MAX_SPREAD * mid, MAX_SPREAD_TICKS * tick_size)
    is_narrow = has_quote & (ask - bid <= widest + _ROUNDING * mid)
    uses_trade = ~is_narrow & (ltp > 0) & (is_trade_newer | ~has_quote)
    price = np.where(is_narrow, mid, np.where(uses_trade, ltp, np.nan))
    reason = np.where(has_quote | (ltp > 0), IvReason.WIDE_SPREAD, IvReason.NO_PRICE)
    return Premiums(price, np.where(np.isnan(price), reason, IvReason.NONE).astype(np.uint8))
