"""The quota of one trader, and the offer of a narrower chain when one exceeds the quota or the capacity.

The quota limits the instruments that stream because of this trader. It is checked before capacity, so a trader over
quota causes no eviction. Not counted are instruments that stream anyway: those of tier B, the spots of claimed chains,
and those that another trader claimed first. View claims count against no trader, and an instrument that streams only
for a view still counts for the trader who claims it: otherwise to open a chain before adding it would avoid the quota.
"""

from collections.abc import Callable, Collection
from decimal import Decimal

from marketdata.domain.errors import DomainError
from marketdata.services import Chain
from subscriptions import selectors
from subscriptions.domain.quota import format_offer, widest_fitting
from subscriptions.services.placement.legs import CapacityExceeded

Fits = Callable[[frozenset[int]], bool]


class QuotaExceeded(DomainError):
    """The request exceeds the trader's quota; nothing was changed."""

    code = "quota"

    def __init__(self, item: str, *, needed: int, left: int, quota: int, offer: int | None = None) -> None:
        noun = "instrument" if needed == 1 else "instruments"
        super().__init__(
            f"This {item} needs {needed:,} more live {noun}; you have {left:,} left.{format_offer(offer)}",
            needed=needed,
            left=left,
            quota=quota,
            offer_strikes=offer,
        )


def check_chain(chain: Chain, *, user_id: int | None) -> None:
    """Refuse a chain that exceeds the rest of the trader's quota, and offer a narrower one. Raises QuotaExceeded."""
    if user_id is not None:
        _check(
            "chain",
            frozenset(chain.instrument_ids),
            user_id=user_id,
            find_offer=lambda fits: _find_narrower(chain, fits=fits),
        )


def check_instrument(instrument_id: int, *, user_id: int | None) -> None:
    """Refuse an instrument to a trader whose quota is used up. Raises QuotaExceeded."""
    if user_id is not None:
        _check("instrument", frozenset([instrument_id]), user_id=user_id, find_offer=lambda _: None)


def _check(item: str, asked: frozenset[int], *, user_id: int, find_offer: Callable[[Fits], int | None]) -> None:
    # Read under the placement lock, so two requests of one trader cannot both use the last of the quota.
    use = selectors.read_quota_use(user_id=user_id, asked=asked)
    if not use.permits(asked):
        offer = find_offer(use.permits)
        raise QuotaExceeded(item, needed=use.count_starting(asked), left=use.left, quota=use.quota, offer=offer)


def with_offer(refusal: CapacityExceeded, chain: Chain) -> CapacityExceeded:
    """Return the refusal of a chain with the width of a narrower one that would fit."""
    missing = frozenset(refusal.shortage.missing)
    # A new chain needs its spot at any width, so the spot counts against the capacity as well.
    spot = missing & {chain.listing.spot_instrument_id}
    return refusal.offering(
        _find_narrower(chain, fits=lambda instruments: len(missing & instruments | spot) <= refusal.room)
    )


def _find_narrower(chain: Chain, *, fits: Fits) -> int | None:
    """Return the widest window narrower than the one of `chain` whose instruments fit, or None."""
    legs_at: dict[Decimal, list[int]] = {}
    for leg in chain.legs:
        legs_at.setdefault(leg.strike, []).append(leg.instrument_id)

    def strikes_fit(strikes: Collection[Decimal]) -> bool:
        return fits(frozenset(one for strike in strikes for one in legs_at[strike]))

    return widest_fitting(chain.listing.strikes, atm=chain.window.atm, width=chain.width, fits=strikes_fit)
