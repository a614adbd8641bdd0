"""Recentring: moves the windows of live chains after the price of their underlying, all windows in one pass.

A window moves when its underlying is at least a strike step away from the price of its last calculation. That price is
replaced by the new one, so a price that swings within one step moves nothing twice. The steps are at the lines below;
most passes end after step 2: two queries and one read of the quote board, no lock.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from marketdata import selectors as market_selectors
from marketdata import services as market_services
from marketdata.domain import chain as chains
from marketdata.domain.chain import WindowKey
from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from marketdata.selectors import Price
from marketdata.services import Chain
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.domain.eviction import Evictable
from subscriptions.models import Claim
from subscriptions.services.claims import windows
from subscriptions.services.claims.eviction import ALWAYS_ON, AddedItem
from subscriptions.services.claims.windows import MovedLegs
from subscriptions.services.placement.legs import CapacityExceeded
from subscriptions.services.placement.lock import nudge_owners_on_commit, placement

logger = logging.getLogger(__name__)

ACTOR = "recentre"


@dataclass(frozen=True, slots=True)
class RecentreReport:
    """Result of a pass: windows with claims, windows moved, instruments subscribed and released.

    `waiting` names the windows that did not fit.
    """

    windows: int
    moved: int
    subscribed: int = 0
    released: int = 0
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Moves:
    """The windows that moved, and the legs that changed with them."""

    keys: Collection[WindowKey]
    legs: MovedLegs


def recentre(*, now: datetime) -> RecentreReport:
    """Move every window whose underlying moved a strike step. Raises PlacementBusy, BoardError."""
    # 1. Read the windows that have claims, in one query.
    spots = _list_live_windows()
    # 2. Compare their last calculations with the newest prices; calculate the moved windows again, outside the lock.
    opened = _open_moved(spots, now=now)
    if not opened:
        return RecentreReport(len(spots), moved=0)
    # 3. Under the lock, check them against the stored windows once more, store the new ones, and change the legs of
    #    all their claims at both edges. Legs that stay in the window are not touched.
    with placement(now=now):
        moves, waiting = _move(opened, now=now)
        if any(one.legs.gained or one.legs.lost for one in moves):
            nudge_owners_on_commit()
    report = RecentreReport(
        windows=len(spots),
        moved=sum(len(one.keys) for one in moves),
        subscribed=sum(change.changes_streaming for one in moves for change in one.legs.gained),
        released=sum(change.changes_streaming for one in moves for change in one.legs.lost),
        waiting=tuple(waiting),
    )
    logger.info(
        "recentred %d of %d windows, %d waiting for capacity", report.moved, report.windows, len(report.waiting)
    )
    return report


def _list_live_windows() -> Mapping[WindowKey, int]:
    """Return the spot instrument of each window that has claims, in one query."""
    rows = Claim.objects.filter(expiry__isnull=False, spot__isnull=False).values_list(
        "exchange_segment", "underlying_symbol", "expiry", "width", "spot__instrument_id"
    )
    return {
        WindowKey(SeriesKey(ExchangeSegment(segment), symbol, expiry), width): spot
        for segment, symbol, expiry, width, spot in rows.distinct()
        if segment is not None and expiry and width and spot
    }


def _open_moved(spots: Mapping[WindowKey, int], *, now: datetime) -> Sequence[Chain]:
    """Return the chains whose windows must move, each with its new window."""
    prices = _list_moved_prices(spots) if spots else {}
    if not prices:
        return []
    listings = market_selectors.list_series(keys={key.series for key in prices})
    return [
        market_services.chain_at(listing=listing, width=key.width, price=price, now=now)
        for key, price in prices.items()
        # A series whose underlying changed keeps its window until it is claimed with the new spot.
        if (listing := listings.get(key.series)) and listing.spot_instrument_id == spots[key]
    ]


def _list_moved_prices(spots: Mapping[WindowKey, int]) -> Mapping[WindowKey, Price]:
    """Return the newest price of each window that must move."""
    today = market_selectors.market_today()
    newest = market_selectors.list_prices(instrument_ids=set(spots.values()))
    moved = {}
    for key, stored in market_selectors.list_windows(keys=spots).items():
        price = newest.get(spots[key])
        # A price that is not newer than the calculation was available to it, and says nothing about a move since.
        if price is None or price.at is None or price.at <= stored.calculated_at or key.series.expiry < today:
            continue
        if chains.has_moved(stored, ltp=price.ltp):
            moved[key] = price
    return moved


def _move(opened: Sequence[Chain], *, now: datetime) -> tuple[Sequence[_Moves], Sequence[str]]:
    """Move these windows together, or one by one where they do not all fit; also return those that did not fit."""
    try:
        with transaction.atomic():
            return [_move_together(opened, now=now)], []
    except CapacityExceeded:
        # 4. One window that does not fit must not hold back the others. It stays as it is until the next pass, unless
        #    chains of lower rank can be evicted for it.
        moved, waiting = [], []
        for chain in opened:
            try:
                with transaction.atomic():
                    moved.append(_move_together([chain], may_evict=True, now=now))
            except CapacityExceeded as refusal:
                waiting.append(str(chain.key))
                logger.warning("window %s is not recentred: %s", chain.key, refusal)
        return moved, waiting


def _move_together(opened: Sequence[Chain], *, may_evict: bool = False, now: datetime) -> _Moves:
    """Move these windows in one set of statements. Raises CapacityExceeded.

    With `may_evict`, they evict chains of lower rank where they need the capacity.
    """
    claims = windows.list_claims([chain.key for chain in opened])
    current = windows.current_chains(opened, claims)
    every = [claim for of_window in claims.values() for claim in of_window]
    moved = windows.set_windows(
        [(claims[key], chain.instrument_ids) for key, chain in current.items()],
        actor=ACTOR,
        now=now,
        added=_item_of(every) if may_evict else None,
    )
    # Another process may have moved a window since step 1: then the stored window is in force, and not ours.
    return _Moves([chain.key for chain in opened if current[chain.key] is chain], moved)


def _item_of(claims: Sequence[Claim]) -> AddedItem | None:
    """Return the item that needs room when windows of these claims move, with what it may evict; None for nothing.

    Tier B is promised, so it evicts chains of tier A. Chains of traders evict those that browsers only show.
    """
    if any(claim.tier == Tier.B for claim in claims):
        return ALWAYS_ON
    if any(claim.kind != ClaimKind.VIEW for claim in claims):
        return AddedItem("chains whose price moved", may_evict=Evictable.VIEWS)
    return None
