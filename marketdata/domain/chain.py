"""The window of a chain: strike step, ATM, the strikes around it, and when to calculate again.

Everything is derived from the strikes that are listed; nothing is known by underlying. ATM is the multiple
of the strike step nearest to the price and then the nearest listed strike, ties upwards both times. A window
is counted in listed strikes and ends where the listing ends.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import Final, Protocol

HALF: Final = Decimal("0.5")
# Strikes on either side of the money whose gaps decide the strike step; listings widen further out.
NEIGHBORS: Final = 5
MAX_AGE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Window:
    """Strikes of a chain, ascending, with the listed strike nearest to the money among them."""

    atm: Decimal
    strike_step: Decimal
    strikes: tuple[Decimal, ...]


class Calculation(Protocol):
    """An earlier calculation of a window, as far as deciding on the next one needs it."""

    @property
    def ltp(self) -> Decimal:
        """The price it was made from."""

    @property
    def strike_step(self) -> Decimal:
        """The strike step it found."""

    @property
    def calculated_at(self) -> datetime:
        """When it was made."""


def nearest_strike(ltp: Decimal, strike_step: Decimal) -> Decimal:
    """Return the multiple of `strike_step` closest to `ltp`; a tie goes up.

    Both in rupees; `strike_step` is positive.

    >>> nearest_strike(Decimal("24562.49"), Decimal("50"))
    Decimal('24550')
    """
    return (ltp / strike_step + HALF).to_integral_value(ROUND_FLOOR) * strike_step


def strike_step(strikes: Sequence[Decimal], *, near: Decimal) -> Decimal:
    """Return the most frequent gap between neighboring `strikes` around `near`; a tie gives the smaller.

    `strikes` ascend without repeats. A lone strike has no gap; one rupee stands in for it.
    """
    position = bisect_left(strikes, near)
    around = strikes[max(0, position - NEIGHBORS) : position + NEIGHBORS]
    if len(around) < 2:  # `near` lies outside the listing: take the end it is nearest to.
        around = strikes[-2:] if position else strikes[:2]
    gaps = Counter(upper - lower for lower, upper in pairwise(around))
    return min(gaps, key=lambda gap: (-gaps[gap], gap), default=Decimal(1))


def nearest_listed(strikes: Sequence[Decimal], price: Decimal) -> int:
    """Return the position of the one of the ascending `strikes` closest to `price`; a tie goes up."""
    above = bisect_left(strikes, price)
    if above == 0:
        return 0
    if above == len(strikes) or price - strikes[above - 1] < strikes[above] - price:
        return above - 1
    return above


def window(strikes: Sequence[Decimal], *, ltp: Decimal, width: int) -> Window:
    """Return the `width` listed strikes around the money: as many below ATM as above, one more above if even.

    Fewer where the listing ends; the other side is not extended for it. `strikes` ascend, at least one.
    """
    if not strikes or width < 1:
        raise ValueError(f"no window of {width} among {len(strikes)} strikes")
    step = strike_step(strikes, near=ltp)
    position = nearest_listed(strikes, nearest_strike(ltp, step))
    first = max(0, position - (width - 1) // 2)
    return Window(strikes[position], step, tuple(strikes[first : position + width // 2 + 1]))


def is_recalculation_due(cached: Calculation | None, *, ltp: Decimal | None, now: datetime) -> bool:
    """Return whether a window asked for at `now`, its underlying at `ltp`, must be calculated again.

    So it must if there is none, if the price moved by a strike step or more since, or after five minutes.
    An unknown price (None) has not moved.
    """
    if cached is None or now - cached.calculated_at > MAX_AGE:
        return True
    return ltp is not None and has_moved(cached, ltp=ltp)


def has_moved(cached: Calculation, *, ltp: Decimal) -> bool:
    """Return whether `ltp` is a strike step or more from the price of that calculation.

    The next calculation is made from `ltp`, so a price that swings by less than a step moves a window once at most.
    """
    return abs(ltp - cached.ltp) >= cached.strike_step
