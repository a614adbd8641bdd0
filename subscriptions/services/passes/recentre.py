"""Recentring: moving the windows of live chains to where the money has gone, all of them in one pass.

A window moves once its underlying is a strike step or more from the price of its last calculation; the new one is
made from the new price, so a price that swings about a boundary moves nothing twice. One read of the board finds
who has moved; one transaction moves them, by their edges. What does not fit stays where it is and is tried again.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from marketdata import selectors as market_selectors
from marketdata import services as market_services
from marketdata.domain import chain
from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from marketdata.selectors import Price
from subscriptions.domain.claims import Tier
from subscriptions.models import Claim
from subscriptions.services.claims import windows
from subscriptions.services.claims.eviction import ALWAYS_ON
from subscriptions.services.claims.windows import MovedLegs, OpenedChain, WindowKey
from subscriptions.services.placement.legs import CapacityExceeded
from subscriptions.services.placement.lock import nudge_owners_on_commit, placement

logger = logging.getLogger(__name__)

ACTOR = "recentre"


@dataclass(frozen=True, slots=True)
class RecentreReport:
    """What a pass did: windows looked at and moved, instruments begun and ended. `waiting` names what did not fit."""

    windows: int
    moved: int
    subscribed: int = 0
    released: int = 0
    waiting: tuple[str, ...] = ()


def recentre(*, now: datetime) -> RecentreReport:
    """Move every window whose underlying moved a strike step. Raises PlacementBusy, BoardError."""
    spots = _list_live_windows()
    prices = _list_moved(spots)
    if not prices:
        return RecentreReport(len(spots), moved=0)
    opened = _open(prices, spots, now=now)
    if not opened:
        return RecentreReport(len(spots), moved=0)
    with placement(now=now):
        opened = _list_due(opened)
        changes, waiting = _move(opened, now=now)
        if any(legs.gained or legs.lost for legs in changes):
            nudge_owners_on_commit()
    report = RecentreReport(
        windows=len(spots),
        moved=len(opened) - len(waiting),
        subscribed=sum(one.changes_streaming for legs in changes for one in legs.gained),
        released=sum(one.changes_streaming for legs in changes for one in legs.lost),
        waiting=tuple(waiting),
    )
    logger.info("recentred %d of %d windows, %d wait for room", report.moved, report.windows, len(report.waiting))
    return report


def _list_live_windows() -> Mapping[WindowKey, int]:
    """Return the spot instrument of each window that somebody claims, in one query."""
    rows = Claim.objects.filter(expiry__isnull=False, spot__isnull=False).values_list(
        "exchange_segment", "underlying_symbol", "expiry", "width", "spot__instrument_id"
    )
    return {
        (SeriesKey(ExchangeSegment(segment), symbol, expiry), width): spot
        for segment, symbol, expiry, width, spot in rows.distinct()
        if segment is not None and expiry and width and spot
    }


def _list_moved(spots: Mapping[WindowKey, int]) -> Mapping[WindowKey, Price]:
    """Return the new price of each window that must move: heard of since its last calculation, and a step away."""
    if not spots:
        return {}
    today = market_selectors.market_today()
    live = market_selectors.list_prices(instrument_ids=set(spots.values()))
    moved = {}
    for key, cached in market_selectors.list_windows(wanted=spots).items():
        price = live.get(spots[key])
        if price is None or price.at is None or price.at <= cached.calculated_at or key[0].expiry < today:
            continue
        if chain.has_moved(cached, ltp=price.ltp):
            moved[key] = price
    return moved


def _open(prices: Mapping[WindowKey, Price], spots: Mapping[WindowKey, int], *, now: datetime) -> Sequence[OpenedChain]:
    """Calculate those windows that still must move; one whose spot became another waits to be claimed anew."""
    listings = market_selectors.list_series(keys={series for series, _ in prices})
    listed = {
        key: listing for key in prices if (listing := listings.get(key[0])) and listing.spot_instrument_id == spots[key]
    }
    by_spot = {spots[key]: prices[key] for key in listed}
    found = market_services.find_windows(listings=listed, prices=by_spot, now=now)
    return [OpenedChain(listed[key], key[1], window) for key, window in found.items() if window.is_new]


def _list_due(opened: Sequence[OpenedChain]) -> Sequence[OpenedChain]:
    """Return those that nobody else calculated again before the lock was held."""
    stored = market_selectors.list_windows(wanted=[(one.series, one.width) for one in opened])
    return [
        one
        for one in opened
        if (cached := stored.get((one.series, one.width))) and chain.has_moved(cached, ltp=one.window.ltp)
    ]


def _move(opened: Sequence[OpenedChain], *, now: datetime) -> tuple[Sequence[MovedLegs], Sequence[str]]:
    """Move these windows together; where they do not all fit, one by one, and those that do not fit not at all."""
    try:
        with transaction.atomic():
            return [_move_together(opened, now=now)], []
    except CapacityExceeded:
        moved, waiting = [], []
        for one in opened:
            try:
                with transaction.atomic():
                    moved.append(_move_together([one], makes_room=True, now=now))
            except CapacityExceeded as refusal:
                waiting.append(f"{one.series} x{one.width}")
                logger.warning("%s x%d is not recentred: %s", one.series, one.width, refusal)
        return moved, waiting


def _move_together(opened: Sequence[OpenedChain], *, makes_room: bool = False, now: datetime) -> MovedLegs:
    """Move these windows; with `makes_room`, what is always on may take places of tier A. Raises CapacityExceeded."""
    placed = windows.place_windows(opened)
    claims = windows.list_claims(placed)
    moves = [(claims[key], window.instrument_ids) for key, window in placed.items()]
    is_always_on = any(claim.tier == Tier.B for held, _ in moves for claim in held)
    added = ALWAYS_ON if makes_room and is_always_on else None
    return windows.set_windows(moves, actor=ACTOR, now=now, added=added)
