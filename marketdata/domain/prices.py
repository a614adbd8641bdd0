"""Prices in rupees from the broker's float32 values, and the change of a price since the previous close.

`changeOf` in `static/marketdata/quotes.js` is
the browser's twin; both are tested with the cases of `tests/data/price_changes.json`.
"""

import math
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

# Two decimals: the unit of every Indian exchange except for currency pairs, which quote 0.0025 (scrip_rows).
PAISE: Final = Decimal("0.01")
# IEEE 754: rounding to 24 bits moves a value by at most half a unit in the last place, 2**-24 of the value.
FLOAT32_ERROR: Final = Decimal(2) ** -24


class PriceChange(NamedTuple):
    """Change against the previous close, in rupees and in percent; both None where a price is unknown."""

    rupees: Decimal | None
    percent: Decimal | None


def rupees(value: float, tick_size: Decimal = PAISE) -> Decimal:
    """Return the price that a float32 stands for: a multiple of `tick_size` where it is one, else whole paise.

    A tie goes up. `value` is finite and not negative.

    >>> rupees(248.3000030517578, Decimal("0.05"))
    Decimal('248.3')
    >>> rupees(24562.369140625, Decimal("0.05"))
    Decimal('24562.37')
    """
    # A float32 has 24 significant bits, about seven digits: 248.30 arrives as 248.3000030. Above 131,072 its values are
    # 0.0156 apart (docs/dhan.md), so rounding to paise does not always restore what was quoted; the tick size does.
    exact = Decimal(value)
    if tick_size > 0:
        on_tick = (exact / tick_size).to_integral_value(ROUND_HALF_UP) * tick_size
        # Averages and indices are not multiples of their tick. A value further from its nearest tick than float32
        # rounding can move it is such a value: 24562.369 is 0.019 from 24562.35; float32 moves it by at most 0.0015.
        if abs(on_tick - exact) <= exact * FLOAT32_ERROR:
            return _shortest(on_tick)
    # Paise, or the decimals of a tick below one paisa (currency pairs). `or`: a tick size of 0 is unknown.
    return _shortest(exact.quantize(min(PAISE, tick_size or PAISE), ROUND_HALF_UP))


def known_price(value: float, tick_size: Decimal = PAISE) -> Decimal | None:
    """Return the price of a float32 in rupees; None for zero, negative, infinite and NaN: the price is unknown."""
    # NaN fails both comparisons.
    return rupees(value, tick_size) if 0 < value < math.inf else None


def price_change(ltp: Decimal | None, previous_close: Decimal | None) -> PriceChange:
    """Return the change from `previous_close` to `ltp`.

    The change is the exact difference of both prices. The percentage is 100 * change / previous close, rounded to two
    decimals, a tie away from zero; what rounds to zero has no sign.

    >>> price_change(Decimal("799"), Decimal("800"))
    PriceChange(rupees=Decimal('-1'), percent=Decimal('-0.13'))
    """
    if ltp is None or previous_close is None:
        return PriceChange(None, None)
    change = ltp - previous_close
    # Decimal's ROUND_HALF_UP rounds a tie away from zero. Adding 0 turns -0.00 into 0.00.
    percent = (change * 100 / previous_close).quantize(PAISE, ROUND_HALF_UP) + 0
    return PriceChange(change, percent)


def _shortest(value: Decimal) -> Decimal:
    """Return `value` without trailing zeros and without an exponent, so that it prints as people write it."""
    return Decimal(f"{value.normalize():f}")
