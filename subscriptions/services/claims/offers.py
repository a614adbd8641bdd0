"""The offer in the refusal of a chain: the widest narrower window that would fit."""

from collections.abc import Callable, Collection
from decimal import Decimal

from marketdata.services import Chain
from subscriptions.domain.quota import widest_fitting
from subscriptions.services.placement.legs import CapacityExceeded


def with_offer(refusal: CapacityExceeded, chain: Chain) -> CapacityExceeded:
    """Return the refusal of a chain with the width that would fit into the free capacity."""
    missing = frozenset(refusal.shortage.missing)
    spot = missing & {chain.listing.spot_instrument_id}
    return refusal.offering(
        find_offer(chain, fits=lambda instruments: len(missing & instruments | spot) <= refusal.room)
    )


def find_offer(chain: Chain, *, fits: Callable[[frozenset[int]], bool]) -> int | None:
    """Return the widest window narrower than the one of `chain` whose instruments fit, or None."""
    legs_at: dict[Decimal, list[int]] = {}
    for leg in chain.legs:
        legs_at.setdefault(leg.strike, []).append(leg.instrument_id)

    def strikes_fit(strikes: Collection[Decimal]) -> bool:
        return fits(frozenset(one for strike in strikes for one in legs_at[strike]))

    return widest_fitting(chain.listing.strikes, atm=chain.window.atm, width=chain.width, fits=strikes_fit)
