"""Preload of tier B: make the preload claims match the rules, in idempotent passes.

A pass compares the targets of the rules with the preload claims. If they match, it costs a few reads. Otherwise:
(1) prices of the spots are looked up, those missing from the quote board in one broker request; (2) one transaction
releases surplus claims and claims the missing targets; (3) a series without a price gets its spot claimed alone, so
that the feed delivers the price, and the next pass claims the chain.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction

from marketdata import selectors as market_selectors
from marketdata import services as market_services
from marketdata.domain.chain import WindowKey
from marketdata.selectors import Price, PriceSource
from marketdata.services import Chain
from subscriptions import selectors
from subscriptions.domain.claims import Cause, ClaimKind, LegChange, LogAction, LogReason, Tier
from subscriptions.models import Claim
from subscriptions.selectors import PreloadPlan, PreloadTarget
from subscriptions.services.claims import claiming, eviction, windows
from subscriptions.services.claims.eviction import ALWAYS_ON
from subscriptions.services.claims.release import release
from subscriptions.services.passes.follow_contracts import follow_contracts
from subscriptions.services.placement import audit, legs
from subscriptions.services.placement.legs import CapacityExceeded
from subscriptions.services.placement.lock import nudge_owners_on_commit, placement

logger = logging.getLogger(__name__)

ACTOR: Final = "preload"

# Claimed together or not at all: targets, and spots without their chains.
_Turn = tuple[Sequence[PreloadTarget], Collection[int]]


@dataclass(frozen=True, slots=True)
class PreloadReport:
    """Result of a pass. `waiting` names the targets without a spot, a price or room, with the reason."""

    wanted: int
    claimed: int
    subscribed: int
    released: int
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Data read before the lock: chains with their window, and the spots of chains without a price."""

    opened: Mapping[WindowKey, Chain]
    bare_spots: frozenset[int]
    waiting: tuple[str, ...]

    @property
    def needed_spots(self) -> frozenset[int]:
        return self.bare_spots | {chain.listing.spot_instrument_id for chain in self.opened.values()}


def preload_tier_b(*, now: datetime) -> PreloadReport:
    """Claim the missing targets of the rules and release the surplus claims. Raises PlacementBusy.

    If the targets do not all fit, they are claimed in the order of the rules, a whole series at a time. Those that find
    no room stay in `waiting`, without a log row, until a later pass claims them.
    """
    # A claim of a changed contract follows it; otherwise its series would be claimed a second time under its new terms.
    if market_selectors.find_unfollowed_import() is not None:
        follow_contracts(now=now)
    plan = selectors.plan_preload(now=now)
    prepared = _prepare(plan, now=now)
    if _is_settled(plan, prepared):
        return PreloadReport(len(plan.wanted), claimed=0, subscribed=0, released=0, waiting=prepared.waiting)
    with placement(now=now):
        report = _apply(selectors.plan_preload(now=now), prepared, now=now)
    if report.claimed or report.released:
        logger.info(
            "preload: %d targets claimed, %d instruments subscribed, %d claims released, %d targets waiting",
            report.claimed,
            report.subscribed,
            report.released,
            len(report.waiting),
        )
    return report


def _is_settled(plan: PreloadPlan, prepared: _Prepared) -> bool:
    """Return whether a pass would write nothing: every missing target waits, and its spot is claimed."""
    has_futures = any(target.instrument_id for target in plan.missing)
    if prepared.opened or has_futures or plan.surplus:
        return False
    held_by_chains = _spots_with_chains(prepared.bare_spots)
    return (
        prepared.bare_spots <= plan.idle_spots.keys() | held_by_chains and plan.idle_spots.keys() <= prepared.bare_spots
    )


def _spots_with_chains(spots: Collection[int]) -> Collection[int | None]:
    if not spots:
        return set()
    found = Claim.objects.filter(kind=ClaimKind.SPOT, tier=Tier.B, instrument_id__in=spots, chains__isnull=False)
    return set(found.values_list("instrument_id", flat=True))


def _prepare(plan: PreloadPlan, *, now: datetime) -> _Prepared:
    # All broker calls of a pass happen here, before the placement lock.
    chains = [target for target in plan.missing if target.series]
    listings = market_selectors.list_series(keys={target.series for target in chains if target.series})
    prices = _list_prices({listing.spot_instrument_id for listing in listings.values()}, now=now)
    opened: dict[WindowKey, Chain] = {}
    bare, waiting = set(), []
    for target in chains:
        key = _window_of(target)
        listing = listings.get(key.series)
        if listing is None:
            waiting.append(f"{target}: no spot")
        elif listing.spot_instrument_id not in prices:
            # Claim the spot alone: the feed delivers its price, and the next pass claims the chain.
            waiting.append(f"{target}: no price")
            bare.add(listing.spot_instrument_id)
        else:
            price = prices[listing.spot_instrument_id]
            opened[key] = market_services.chain_at(listing=listing, width=key.width, price=price, now=now)
    return _Prepared(opened, frozenset(bare), tuple(waiting))


def _list_prices(spots: Collection[int], *, now: datetime) -> Mapping[int, Price]:
    """Return prices from the quote board; missing ones come from at most one broker request.

    A price that the broker does not give is requested again later and later.
    """
    if not spots:
        return {}
    live = market_selectors.list_ltps(instrument_ids=spots)
    asked = market_services.request_ltps(instrument_ids=[one for one in spots if one not in live], now=now)
    # A live price wins over the snapshot of the broker.
    return {one: Price(ltp, PriceSource.SNAPSHOT, now) for one, ltp in asked.items()} | {
        one: Price(ltp, PriceSource.QUOTE, now) for one, ltp in live.items()
    }


def _apply(plan: PreloadPlan, prepared: _Prepared, *, now: datetime) -> PreloadReport:
    """Write one pass; `plan` was read under the lock, so the second of two concurrent passes finds nothing missing."""
    targets = [one for one in plan.missing if one.instrument_id or _window_of(one) in prepared.opened]
    # The usual case in one turn, with as many statements as one target; its savepoint is undone if it does not fit.
    try:
        with transaction.atomic():
            return _claim_in_turns(plan, prepared, [(targets, prepared.bare_spots)], now=now)
    except CapacityExceeded:
        # They do not all fit: spots first (a price costs one slot), then each target alone, in the order of the rules.
        turns = [*(([], {spot}) for spot in sorted(prepared.bare_spots)), *(([target], set()) for target in targets)]
        return _claim_in_turns(plan, prepared, turns, now=now, is_last=False)


def _claim_in_turns(
    plan: PreloadPlan, prepared: _Prepared, turns: Iterable[_Turn], *, now: datetime, is_last: bool = True
) -> PreloadReport:
    """Release surplus claims, then claim each turn as a whole; unless `is_last`, turns that do not fit are skipped."""
    # Kept subscribed between release and claim: an instrument that changes claim must not stop streaming.
    held_next = prepared.needed_spots | {one.instrument_id for one in plan.missing if one.instrument_id}
    held_next |= {one for chain in prepared.opened.values() for one in chain.instrument_ids}
    # Spots claimed alone whose series has left the rules or has a price from another source now.
    stray = [claim_id for spot, claim_id in plan.idle_spots.items() if spot not in prepared.needed_spots]
    released = release(
        list(Claim.objects.filter(pk__in=[*plan.surplus, *stray]).order_by("pk")),
        cause=Cause(LogReason.PRELOAD_ENDED, ACTOR, now),
        held_next=held_next,
        spared_spots=prepared.needed_spots,
    )
    claimed, gained, crowded = 0, list[LegChange](), list[str]()
    for targets, bare_spots in turns:
        # A savepoint per turn: a target that does not fit leaves nothing behind, and later, smaller ones may fit.
        try:
            with transaction.atomic():
                gained += _claim(targets, bare_spots, prepared, now=now)
            claimed += len(targets)
        except CapacityExceeded:
            if is_last:
                raise
            crowded += [f"{target}: no room" for target in targets]
    # Kept above for a claim that did not fit, or for a window that another writer has moved since.
    legs.unsubscribe_unheld(held_next)
    return PreloadReport(
        wanted=len(plan.wanted),
        claimed=claimed,
        subscribed=sum(change.changes_streaming for change in gained),
        released=released.claims,
        waiting=(*prepared.waiting, *crowded),
    )


def _claim(
    targets: Sequence[PreloadTarget], bare_spots: Collection[int], prepared: _Prepared, *, now: datetime
) -> Sequence[LegChange]:
    """Claim these targets with their spots, all or nothing. Raises CapacityExceeded."""
    cause = Cause(LogReason.PRELOAD, ACTOR, now)
    chains = [target for target in targets if target.series]
    opened = [prepared.opened[_window_of(target)] for target in chains]
    claims = windows.list_claims([chain.key for chain in opened])
    # Traders may hold the same windows: they move first, so that all claims of a window hold the same legs.
    current = windows.current_chains(opened, claims)
    windows.set_windows([(claims[key], chain.instrument_ids) for key, chain in current.items()], actor=ACTOR, now=now)
    groups: dict[int, list[tuple[Claim, Sequence[int]]]] = {spot: [] for spot in sorted(bare_spots)}
    for target in chains:
        key = _window_of(target)
        spot = prepared.opened[key].listing.spot_instrument_id
        groups.setdefault(spot, []).append((_claim_of(target, now=now), current[key].instrument_ids))
    gained = claiming.hold_chains(groups, tier=Tier.B, cause=cause).changes
    return [*gained, *_claim_futures([target for target in targets if target.instrument_id], cause=cause)]


def _window_of(target: PreloadTarget) -> WindowKey:
    if target.series is None or target.width is None:
        raise ValueError(f"{target} has no window")
    return WindowKey(target.series, target.width)


def _claim_futures(targets: Sequence[PreloadTarget], *, cause: Cause) -> Sequence[LegChange]:
    if not targets:
        return []
    made = Claim.objects.bulk_create([_claim_of(target, now=cause.now) for target in targets])
    wanted = {claim.pk: [claim.instrument_id] for claim in made if claim.instrument_id}
    gained = eviction.add_legs(wanted, tiers=dict.fromkeys(wanted, Tier.B), cause=cause, added=ALWAYS_ON).changes
    audit.record(made, action=LogAction.SUBSCRIBE, cause=cause, gained=gained)
    nudge_owners_on_commit()
    return gained


def _claim_of(target: PreloadTarget, *, now: datetime) -> Claim:
    series = target.series
    return Claim(
        kind=ClaimKind.PRELOAD,
        tier=Tier.B,
        rule_id=target.rule_id,
        exchange_segment=series.segment if series else None,
        underlying_symbol=series.underlying if series else "",
        expiry=series.expiry if series else None,
        width=target.width,
        instrument_id=target.instrument_id,
        last_viewed_at=now,
        claimed_at=now,
    )
