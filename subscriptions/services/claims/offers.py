"""What a refused chain is told: the widest narrower window that would fit."""

from collections.abc import Callable, Collection
from decimal import Decimal

from subscriptions.domain.quota import widest_fitting
from subscriptions.services.claims.windows import OpenedChain, PlacedWindow
from subscriptions.services.placement.legs import CapacityExceeded


def with_offer(refusal: CapacityExceeded, opened: OpenedChain, window: PlacedWindow) -> CapacityExceeded:
    """Return the refusal of a chain, with the width that the room there is would take."""
    missing = frozenset(refusal.shortage.missing)
    spot = missing & {opened.listing.spot_instrument_id}
    return refusal.offering(
        find_offer(opened, window, fits=lambda instruments: len(missing & instruments | spot) <= refusal.room)
    )


def find_offer(opened: OpenedChain, window: PlacedWindow, *, fits: Callable[[frozenset[int]], bool]) -> int | None:
    """Return the widest window narrower than this one whose instruments fit, or None."""
    legs_at: dict[Decimal, list[int]] = {}
    for leg in opened.listing.legs:
        legs_at.setdefault(leg.strike, []).append(leg.instrument_id)

    def strikes_fit(strikes: Collection[Decimal]) -> bool:
        return fits(frozenset(one for strike in strikes for one in legs_at[strike]))

    return widest_fitting(opened.listing.strikes, atm=window.atm, width=opened.width, fits=strikes_fit)
