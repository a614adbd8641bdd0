"""Prices as people see them: the broker's float32 values back as the rupees the exchange quoted.

A float32 holds about seven digits, so 248.30 arrives as 248.3000030 and 150000.05 as 150000.047. The
instrument's tick says which value was meant; where the tick does not fit, paise do.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

import numpy as np

PAISE: Final = Decimal("0.01")
# Relative distance of neighboring float32 values: a price further off its tick was not quoted in it.
FLOAT32_SPACING: Final = Decimal(2) ** -23


def rupees(value: float, tick_size: Decimal = PAISE) -> Decimal:
    """Return the price that the broker's float32 `value` stands for, as a multiple of `tick_size` if it is one.

    Otherwise to the paise, as averages are and indices, whose ticks mean little.

    >>> rupees(248.3000030517578, Decimal("0.05"))
    Decimal('248.3')
    >>> rupees(24562.369140625, Decimal("0.05"))
    Decimal('24562.37')
    """
    exact = Decimal(value)
    if tick_size > 0:
        on_tick = (exact / tick_size).to_integral_value(ROUND_HALF_UP) * tick_size
        if abs(on_tick - exact) <= abs(exact) * FLOAT32_SPACING:
            return _short(on_tick)
    return _short(Decimal(str(np.float32(value))).quantize(min(PAISE, tick_size or PAISE), ROUND_HALF_UP))


def _short(value: Decimal) -> Decimal:
    return Decimal(f"{value.normalize():f}")
