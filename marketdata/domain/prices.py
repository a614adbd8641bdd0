"""Prices in rupees from the broker's float32 values, and the change of a price since the previous close.

Each rule exists for one value and for arrays: an answer with hundreds of quotes cannot afford a Decimal for each price.
Arrays count in units of 1/10,000 rupee, exactly (the smallest tick is 0.0025 rupees).

`changeOf` in `static/marketdata/quotes.js` is the browser's twin; both are tested with the cases of
`tests/data/price_changes.json`.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

# Two decimals: the unit of every Indian exchange except for currency pairs, which quote 0.0025 (scrip_rows).
PAISE: Final = Decimal("0.01")
# IEEE 754: rounding to 24 bits moves a value by at most half a unit in the last place, 2**-24 of the value.
FLOAT32_ERROR: Final = Decimal(2) ** -24
MOST_RUPEES: Final = 1e10
"""A price from here on is unknown. Chosen: the price columns have ten digits before the point."""
UNITS: Final = 10_000
"""Units in a rupee: instruments have tick sizes of at most four decimals."""
_PAISA_UNITS: Final = 100
_HUNDREDTHS: Final = 10_000  # hundredths of a percent in 1

Units = npt.NDArray[np.int64]


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
    """Return the price of a float32 in rupees; None for zero, negative, NaN and from MOST_RUPEES on: it is unknown."""
    # NaN fails both comparisons.
    return rupees(value, tick_size) if 0 < value < MOST_RUPEES else None


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


def price_units(values: npt.NDArray[Any], tick_units: Units) -> Units:
    """Return the prices that float32 `values` stand for, in units, by the rule of `rupees`; 0 where unknown.

    `tick_units` has the tick size of each value, in units; both have the same shape.
    """
    exact = np.asarray(values, np.float64)
    exact = np.where((exact > 0) & (exact < MOST_RUPEES), exact, 0.0)
    # A float32 has 24 significant bits: times 10,000 is exact in a double, and so is every comparison below.
    in_units = exact * UNITS
    ticks = np.where(tick_units > 0, tick_units, 1)
    on_tick = np.floor(in_units / ticks + 0.5) * ticks
    is_on_tick = (tick_units > 0) & (np.abs(on_tick - in_units) <= in_units * float(FLOAT32_ERROR))
    # Ticks below a paisa have all four decimals.
    step = np.where((tick_units > 0) & (tick_units < _PAISA_UNITS), 1, _PAISA_UNITS)
    rounded = np.floor(in_units / step + 0.5) * step
    return np.where(is_on_tick, on_tick, rounded).astype(np.int64)


def change_units(ltp: Units, previous_close: Units) -> tuple[Units, Units]:
    """Return the change in units and the percentage in hundredths, by the rule of `price_change`.

    Both mean nothing where one of the prices is 0, unknown.
    """
    change = ltp - previous_close
    base = np.where(previous_close > 0, previous_close, 1)
    # In whole numbers; a tie goes away from zero.
    hundredths = (2 * _HUNDREDTHS * np.abs(change) + base) // (2 * base)
    return change, np.sign(change) * hundredths


def _shortest(value: Decimal) -> Decimal:
    """Return `value` without trailing zeros and without an exponent, so that it prints as people write it."""
    return Decimal(f"{value.normalize():f}")
