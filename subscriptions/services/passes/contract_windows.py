"""The windows of chains after an import: the listed strikes around each ATM, also where the series or its spot changed.

One transaction moves all of them. If they do not fit together, each moves alone, and one that does not fit keeps its
former legs while these are listed.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from marketdata import selectors as market_selectors
from marketdata import services as market_services
from marketdata.domain.chain import Window, WindowKey
from marketdata.domain.instruments import SeriesKey
from marketdata.selectors import Price, PriceSource
from marketdata.services import Chain
from subscriptions.models import Claim, ClaimLeg
from subscriptions.services.claims import windows
from subscriptions.services.passes.contract_notices import CHANGED_CONTRACTS, give_up
from subscriptions.services.passes.contract_review import Review
from subscriptions.services.placement.legs import CapacityExceeded

logger = logging.getLogger(__name__)


def set_listed_windows(review: Review, prices: Mapping[int, Price], *, actor: str, now: datetime) -> int:
    """Make every window hold the listed strikes around its ATM; return the number of windows that changed."""
    keys = {
        key
        for claim in Claim.objects.filter(expiry__isnull=False)
        if (key := claim.window_key) and key.series in review.listings
    }
    respotted = {
        WindowKey(one.present, one.claim.width)
        for one in review.respotted
        if isinstance(one.present, SeriesKey) and one.claim.width
    }
    stored = market_selectors.list_windows(keys=keys)
    chains = {key: _chain_of(key, review, stored.get(key), prices, is_due=key in respotted, now=now) for key in keys}
    opened = [chain for _, chain in sorted(chains.items()) if chain is not None]
    try:
        with transaction.atomic():
            return _move(opened, stored, actor=actor, now=now)
    except CapacityExceeded:
        return sum(_move_alone(chain, stored, actor=actor, now=now) for chain in opened)


def _move_alone(chain: Chain, stored: Mapping[WindowKey, Window], *, actor: str, now: datetime) -> int:
    """Set the legs of one window as `_move`; where they do not fit, keep the former ones, or end its claims.

    Former legs that are not listed any more would stand still, so their claims are released and the traders notified.
    """
    try:
        with transaction.atomic():
            return _move([chain], stored, actor=actor, now=now)
    except CapacityExceeded as refusal:
        claims = windows.list_claims([chain.key])[chain.key]
        held = ClaimLeg.objects.filter(claim__in=claims)
        if not held.filter(subscription__instrument__is_listed=False).exists():
            logger.warning("window %s keeps its former legs: %s", chain.key, refusal)
            return 0
        give_up(claims, refusal, actor=actor, now=now)
        return len(claims)


def _chain_of(
    key: WindowKey,
    review: Review,
    stored: Window | None,
    prices: Mapping[int, Price],
    *,
    is_due: bool,
    now: datetime,
) -> Chain | None:
    """Return the chain with its stored window, or with a new one where that is due or has strikes that are gone."""
    listing = review.listings[key.series]
    if stored is not None:
        # Not newer than the stored calculation, so that the next price of the spot can move the window.
        earlier = Price(stored.ltp, PriceSource.CACHE, stored.calculated_at)
        edges = {stored.atm, stored.lowest_strike, stored.highest_strike}
        if not is_due and edges <= set(listing.strikes):
            return Chain(listing, key.width, stored, earlier)
        if listing.spot_instrument_id not in prices:
            return market_services.chain_at(listing=listing, width=key.width, price=earlier, now=stored.calculated_at)
    price = prices.get(listing.spot_instrument_id)
    if price is None:
        return None  # There is nothing to center it on; the check reports a claim without a window.
    return market_services.chain_at(listing=listing, width=key.width, price=price, now=now)


def _move(opened: Sequence[Chain], stored: Mapping[WindowKey, Window], *, actor: str, now: datetime) -> int:
    """Store the new windows and set the legs of all claims; return the number of windows whose legs changed."""
    new = [chain for chain in opened if chain.window is not stored.get(chain.key)]
    if new:
        market_services.store_windows(new)
    claims = windows.list_claims([chain.key for chain in opened])
    moves = [(claims[chain.key], chain.instrument_ids) for chain in opened]
    moved = windows.set_windows(moves, actor=actor, now=now, added=CHANGED_CONTRACTS)
    changed = {change.claim_id for change in (*moved.gained, *moved.lost)}
    return sum(any(claim.pk in changed for claim in of_window) for of_window in claims.values())
