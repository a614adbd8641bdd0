"""The window of a chain: strike step, ATM, the strikes around it, and when it is recalculated.

All figures come from the listed strikes; no underlying has settings. ATM is the multiple of the strike step nearest
to the price, then the listed strike nearest to that multiple; ties go up both times.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import Final, NamedTuple

from marketdata.domain.instruments import SeriesKey

HALF: Final = Decimal("0.5")  # A tie of `nearest_strike`: half a strike step.
# Chosen: the gaps among five strikes on either side of the price decide the strike step. Listings widen further out
# (NIFTY lists 50 near the money, 100 and 500 in the wings), so more neighbors would mix in the wider gaps.
NEIGHBORS: Final = 5
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


def nearest_strike(ltp: Decimal, strike_step: Decimal) -> Decimal:
    """Return the multiple of `strike_step` closest to `ltp`; a tie goes up.

    Both in rupees; `strike_step` is positive.

    >>> nearest_strike(Decimal("24562.49"), Decimal("50"))
    Decimal('24550')
    """
    # floor(x + 1/2) sends each tie up. Rounding half to even would send ties up and down in turn.
    return (ltp / strike_step + HALF).to_integral_value(ROUND_FLOOR) * strike_step


def strike_step(strikes: Sequence[Decimal], *, near: Decimal) -> Decimal:
    """Return the most frequent gap between neighboring `strikes` around `near`; a tie gives the smaller.

    `strikes` ascend without repeats. A single strike has no gap: the step is then one rupee.
    """
    # Only the strikes near the price count: the wings of a listing have wider gaps.
    position = bisect_left(strikes, near)
    around = strikes[max(0, position - NEIGHBORS) : position + NEIGHBORS]
    if len(around) < 2:  # `near` is outside the listing: use the two strikes at that end.
        around = strikes[-2:] if position else strikes[:2]
    gaps = Counter(upper - lower for lower, upper in pairwise(around))
    # The most frequent gap, not the smallest: one extra strike between two regular ones must not halve the step.
    return min(gaps, key=lambda gap: (-gaps[gap], gap), default=Decimal(1))


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
    step = strike_step(strikes, near=ltp)
    # Two steps: the multiple is ATM as the market quotes it, but it may be missing from the listing.
    position = nearest_listed(strikes, nearest_strike(ltp, step))
    inside = strikes_around(strikes, position, width=width)
    return Window(ltp, now, step, strikes[position], inside[0], inside[-1])


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
