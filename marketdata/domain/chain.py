"""The window of a chain: strike step, ATM, the strikes around it, and when it is recalculated.

All figures come from the listed strikes; no underlying has settings. ATM is the listed strike nearest to the price; a
tie goes up. See docs/decisions/0012-nearest-listed-strike.md.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

from marketdata.domain.instruments import SeriesKey

MAX_AGE: Final = timedelta(minutes=5)  # design.md, section 4, ATM.


class WindowKey(NamedTuple):
    """Identity of a window: one per series and width, shared by all its claims."""

    series: SeriesKey
    width: int

    def __str__(self) -> str:
        return f"{self.series} x{self.width}"


@dataclass(frozen=True, slots=True)
class Window:
    """One calculation of a chain's window: its inputs (`ltp`, `calculated_at`) and its result, in rupees.

    The strikes from `lowest_strike` to `highest_strike`, both listed and both included, belong to the window.
    """

    ltp: Decimal
    calculated_at: datetime
    strike_step: Decimal
    atm: Decimal
    lowest_strike: Decimal
    highest_strike: Decimal


def strike_step(strikes: Sequence[Decimal], *, near: Decimal) -> Decimal:
    """Return the gap between ATM at the price `near` and its nearest listed neighbor.

    `strikes` ascend without repeats. A single strike has no gap: the step is then one rupee.
    """
    position = nearest_listed(strikes, near)
    beside = strikes[max(0, position - 1) : position + 2]
    # The smaller gap of the two: a price that moves from one listed strike to another always moves by a step, also
    # where the gap below ATM differs from the gap above it.
    return min((upper - lower for lower, upper in pairwise(beside)), default=Decimal(1))


def nearest_listed(strikes: Sequence[Decimal], price: Decimal) -> int:
    """Return the position of the strike closest to `price` in the ascending `strikes`; a tie goes up."""
    above = bisect_left(strikes, price)
    if above == 0:
        return 0
    # `strikes[above - 1] < price <= strikes[above]`: the lower strike must be strictly nearer, so a tie goes up.
    if above == len(strikes) or price - strikes[above - 1] < strikes[above] - price:
        return above - 1
    return above


def strikes_around(strikes: Sequence[Decimal], position: int, *, width: int) -> Sequence[Decimal]:
    """Return `width` of the listed `strikes` around `position`: as many below as above, one more above if even.

    Fewer where the listing ends.
    """
    # The other side is not extended at an end, so that ATM stays in the middle of the screen. Without `max` a negative
    # start would count from the end of the sequence, and the window would be empty.
    return strikes[max(0, position - (width - 1) // 2) : position + width // 2 + 1]


def calculate_window(strikes: Sequence[Decimal], *, ltp: Decimal, width: int, now: datetime) -> Window:
    """Return the window of `width` listed strikes around ATM at `ltp`. Raises ValueError without strikes or width.

    `strikes` ascend.
    """
    if not strikes or width < 1:
        raise ValueError(f"no window of {width} among {len(strikes)} strikes")
    position = nearest_listed(strikes, ltp)
    inside = strikes_around(strikes, position, width=width)
    return Window(ltp, now, strike_step(strikes, near=ltp), strikes[position], inside[0], inside[-1])


def is_recalculation_due(stored: Window | None, *, ltp: Decimal, now: datetime) -> bool:
    """Return whether a window requested at `now`, with the underlying at `ltp`, must be calculated.

    True if there is no calculation, if it is older than five minutes, or if the price moved by a strike step.
    """
    return stored is None or now - stored.calculated_at > MAX_AGE or has_moved(stored, ltp=ltp)


def has_moved(stored: Window, *, ltp: Decimal) -> bool:
    """Return whether `ltp` is at least a strike step away from the price of that calculation."""
    # Hysteresis: the distance counts from the price of the last calculation, not from ATM. After a move that price is
    # the new reference, so a price that swings within less than one step causes at most one move.
    return abs(ltp - stored.ltp) >= stored.strike_step
