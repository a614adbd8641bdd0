"""The pass after an import of the instrument file: every claim refers to what is listed, or is released.

A claim follows its instrument or series to the one that continues it (`marketdata.domain.succession`); a claim that
nothing continues is released. A chain whose spot is another instrument now gets it, and its window is calculated from
the price of that one. Afterwards every claimed instrument is listed, so that no two have one key.

View claims do not follow: where something changed they are released, and pages that show the chain claim it again.

What goes makes room for what comes, so a full terminal evicts nothing for a contract that only has another id. A claim
whose changed contracts need more room than there is, even after every eviction, is released with a notice.

The pass reads the state and writes the difference, so it may run twice or late. Steps: (1) review the claims without a
lock; most runs end here; (2) read the prices of changed spots, also from the broker; (3) under the lock, review again
and write. The entries of watchlists follow in `watchlists.services`, in the same transaction.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection
from django.db.models import Q

from marketdata import selectors as market_selectors
from marketdata import services as market_services
from marketdata.domain.chain import WindowKey
from marketdata.domain.instruments import SeriesKey
from marketdata.selectors import Price, PriceSource
from subscriptions.domain.claims import Cause, ClaimKind, LegChange, LogAction, LogReason, Tier
from subscriptions.models import Claim, SubscriptionLog
from subscriptions.services.claims import eviction, spots, windows
from subscriptions.services.claims.release import release
from subscriptions.services.passes.contract_notices import CHANGED_CONTRACTS, give_up, notify_on_commit
from subscriptions.services.passes.contract_review import ClaimChange, Review, review_claims
from subscriptions.services.passes.contract_windows import set_listed_windows
from subscriptions.services.placement import audit, legs
from subscriptions.services.placement.legs import CapacityExceeded
from subscriptions.services.placement.lock import nudge_owners_on_commit, placement

logger = logging.getLogger(__name__)

ACTOR: Final = "follow_contracts"

_SET_SERIES: Final = """
UPDATE claims SET exchange_segment = followed.segment, underlying_symbol = followed.symbol, expiry = followed.expiry
FROM unnest(%s::bigint[], %s::smallint[], %s::varchar[], %s::date[]) AS followed (id, segment, symbol, expiry)
WHERE claims.id = followed.id
"""
_SET_INSTRUMENT: Final = """
UPDATE claims SET instrument_id = followed.instrument_id
FROM unnest(%s::bigint[], %s::bigint[]) AS followed (id, instrument_id) WHERE claims.id = followed.id
"""
_SET_SPOT: Final = """
UPDATE claims SET spot_id = followed.spot_id
FROM unnest(%s::bigint[], %s::bigint[]) AS followed (id, spot_id) WHERE claims.id = followed.id
"""


@dataclass(frozen=True, slots=True)
class FollowReport:
    """Result of a pass: claims that followed or were released, chains with a new spot, windows whose legs changed."""

    followed: int = 0
    released: int = 0
    spots: int = 0
    windows: int = 0


def follow_contracts(*, now: datetime) -> FollowReport:
    """Make every claim refer to listed items, and every window hold the listed strikes. Raises PlacementBusy."""
    prices = list_spot_prices(review_claims(), now=now)
    with placement(now=now):
        report = apply_review(review_claims(), prices, now=now)
    if report != FollowReport():
        logger.info(
            "contracts changed: %d claims followed, %d released, %d chains got another spot, %d windows changed",
            report.followed,
            report.released,
            report.spots,
            report.windows,
        )
    return report


def list_spot_prices(review: Review, *, now: datetime) -> Mapping[int, Price]:
    """Return the prices of the spots that chains get; may ask the broker, so call it before the lock."""
    wanted = review.new_spots
    if not wanted:
        return {}
    live = market_selectors.list_ltps(instrument_ids=wanted)
    asked = market_services.request_spots(instrument_ids=[one for one in wanted if one not in live], now=now)
    return {one: Price(ltp, PriceSource.SNAPSHOT, now) for one, ltp in asked.items()} | {
        one: Price(ltp, PriceSource.QUOTE, now) for one, ltp in live.items()
    }


def apply_review(review: Review, prices: Mapping[int, Price], *, actor: str = ACTOR, now: datetime) -> FollowReport:
    """Write what `review` found; the caller owns the placement lock and read the review under it.

    `prices` are of the new spots; a window whose spot has no price keeps its price of calculation.
    """
    held_next = {one.present for one in review.followed if isinstance(one.present, int)} | review.new_spots
    # Spots that preload claimed before their chains stay.
    waiting = {one.instrument_id for one in spots.list_idle_spots(tier=Tier.B) if one.instrument_id}
    for reason, group in _by_reason(review.released).items():
        claims = [one.claim for one in group]
        release(claims, cause=Cause(reason, actor, now), held_next=held_next, spared_spots=waiting)
    views = _list_changed_views(review)
    release(views, cause=Cause(LogReason.NOT_LISTED, actor, now), held_next=held_next)
    former = {one.claim.pk: one.claim.subject for one in review.followed}
    gone = _follow(review.followed, held_next=held_next)
    created, left = _set_spots(review, now=now)
    _release_spots(left, held_next=held_next, cause=Cause(LogReason.SPOT_CHANGED, actor, now))
    # After everything that goes: an instrument that takes the place of another needs no room beside it.
    come = _add_legs(review.followed, created, actor=actor, now=now)
    _record(review, created, former, gained=come, lost=gone, actor=actor, now=now)
    moved = set_listed_windows(review, prices, actor=actor, now=now)
    notify_on_commit(review)
    if review.changes or moved:
        nudge_owners_on_commit()
    return FollowReport(len(review.followed), len(review.released) + len(views), len(review.respotted), moved)


def record_followed(subjects: Iterable[tuple[str, str]], *, actor: str, now: datetime) -> None:
    """Log items that follow and whose claim does not change, or that have none: (reason, subject) of each."""
    SubscriptionLog.objects.bulk_create(
        SubscriptionLog(
            at=now,
            action=LogAction.FOLLOW,
            reason=reason,
            actor=actor,
            tier=Tier.A,
            subject=subject[: audit.MAX_SUBJECT],
        )
        for reason, subject in subjects
    )


def _by_reason(changes: Iterable[ClaimChange]) -> Mapping[LogReason, Sequence[ClaimChange]]:
    grouped: dict[LogReason, list[ClaimChange]] = defaultdict(list)
    for one in changes:
        grouped[one.reason].append(one)
    return grouped


def _list_changed_views(review: Review) -> Sequence[Claim]:
    """Return the view claims that alone hold their window, if its listed legs changed or other claims follow to it.

    To move such a window might evict chains of traders, which a view never does.
    """
    arriving = {
        WindowKey(one.present, one.claim.width)
        for one in review.followed
        if isinstance(one.present, SeriesKey) and one.claim.width
    }
    chains = Claim.objects.filter(expiry__isnull=False)
    of_others = {claim.window_key for claim in chains.exclude(kind=ClaimKind.VIEW)}
    views = {
        key: claim
        for claim in chains.filter(kind=ClaimKind.VIEW).order_by("pk")
        if (key := claim.window_key) and key not in of_others and key.series in review.listings
    }
    held = windows.held_by([claim.pk for claim in views.values()])
    stored = market_selectors.list_windows(keys=views)
    return [
        claim
        for key, claim in views.items()
        if key in arriving
        or key not in stored
        or held[claim.pk] != set(review.listings[key.series].instrument_ids_in(stored[key]))
    ]


def _follow(changes: Sequence[ClaimChange], *, held_next: Collection[int]) -> Sequence[LegChange]:
    """Make the claims refer to their present targets; return the legs that single instruments lose.

    Chains change their legs with the windows.
    """
    if not changes:
        return []
    moved = {one.claim.pk: one for one in changes}
    lost = {pk: [one.claim.instrument_id] for pk, one in moved.items() if one.claim.instrument_id}
    instrument_of = {pk: one.present for pk, one in moved.items() if isinstance(one.present, int)}
    series = {pk: one.present for pk, one in moved.items() if isinstance(one.present, SeriesKey)}
    gone = legs.remove(lost, tiers={Tier(one.claim.tier) for one in changes}, held_next=held_next)
    keys = list(series.values())
    with connection.cursor() as cursor:
        cursor.execute(_SET_INSTRUMENT, [list(instrument_of), list(instrument_of.values())])
        cursor.execute(
            _SET_SERIES,
            [list(series), [int(k.segment) for k in keys], [k.underlying for k in keys], [k.expiry for k in keys]],
        )
    stays = Claim.objects.filter(expiry__isnull=False).exclude(pk__in=series)
    market_services.move_windows(
        {was: key for pk, key in series.items() if (was := moved[pk].claim.series)},
        claimed={claim.series for claim in stays if claim.series},
    )
    return gone


def _set_spots(review: Review, *, now: datetime) -> tuple[Sequence[Claim], Collection[int]]:
    """Give chains the spots of their series; return the new spot claims, without legs, and the ids of those left."""
    created: list[Claim] = []
    for tier in Tier:
        instrument_of = {
            one.claim.pk: review.listings[one.present].spot_instrument_id
            for one in review.respotted
            if one.claim.tier == tier and isinstance(one.present, SeriesKey)
        }
        known, new = spots.find_or_create_spots(instrument_of.values(), tier=tier, now=now)
        created += new
        with connection.cursor() as cursor:
            cursor.execute(_SET_SPOT, [list(instrument_of), [known[one] for one in instrument_of.values()]])
    return created, [one.claim.spot_id for one in review.respotted if one.claim.spot_id]


def _release_spots(left: Collection[int], *, held_next: Collection[int], cause: Cause) -> None:
    for tier in Tier:
        idle = spots.list_idle_spots(tier=tier)
        unlisted = market_selectors.list_successors(
            instrument_ids=[one.instrument_id for one in idle if one.instrument_id]
        )
        # In tier B only these: preload claims other spots before their chains.
        gone = [one for one in idle if tier is Tier.A or one.pk in left or one.instrument_id in unlisted]
        release(gone, cause=cause, held_next=held_next)


def _add_legs(
    followed: Sequence[ClaimChange], created: Sequence[Claim], *, actor: str, now: datetime
) -> Sequence[LegChange]:
    """Make the claims that follow to another instrument, and the new spot claims, hold their instruments."""
    wanted = {one.claim.pk: [one.present] for one in followed if isinstance(one.present, int)}
    tiers = {one.claim.pk: Tier(one.claim.tier) for one in followed}
    wanted |= {spot.pk: [spot.instrument_id] for spot in created if spot.instrument_id}
    tiers |= {spot.pk: Tier(spot.tier) for spot in created}
    if not wanted:
        return []
    cause = Cause(LogReason.NEW_ID, actor, now)

    def add(some: Mapping[int, Sequence[int]]) -> Sequence[LegChange]:
        # The chains of a new spot gain no leg here. They are named, so that they are not evicted for it.
        chains = {pk: Tier(tier) for pk, tier in Claim.objects.filter(spot__in=some).values_list("pk", "tier")}
        return eviction.add_legs(
            {**some, **dict.fromkeys(chains, ())}, tiers=tiers | chains, cause=cause, added=CHANGED_CONTRACTS
        ).changes

    try:
        return add(wanted)
    except CapacityExceeded:
        return _add_one_by_one(wanted, add, actor=actor, now=now)


def _add_one_by_one(
    wanted: Mapping[int, Sequence[int]],
    add: Callable[[Mapping[int, Sequence[int]]], Sequence[LegChange]],
    *,
    actor: str,
    now: datetime,
) -> Sequence[LegChange]:
    """Add the legs that fit; give up the claims, or the chains of the spots, whose legs do not."""
    changes: list[LegChange] = []
    for pk, ids in wanted.items():
        # An earlier one may have evicted it.
        if not Claim.objects.filter(pk=pk).exists():
            continue
        try:
            changes += add({pk: ids})
        except CapacityExceeded as refusal:
            claims = Claim.objects.filter(Q(pk=pk) & ~Q(kind=ClaimKind.SPOT) | Q(spot=pk))
            give_up(list(claims.select_related("instrument").order_by("pk")), refusal, actor=actor, now=now)
    return changes


def _record(
    review: Review,
    created: Sequence[Claim],
    former: Mapping[int, str],
    *,
    gained: Sequence[LegChange],
    lost: Sequence[LegChange],
    actor: str,
    now: datetime,
) -> None:
    """Write the audit rows of the claims that followed, of new spots, and of chains with another spot.

    `former` has the former subjects of the claims that followed.
    """
    # Where there was no room, some of them are released.
    claim_ids = [*(one.claim.pk for one in review.changes), *(spot.pk for spot in created)]
    present = Claim.objects.select_related("instrument").in_bulk(claim_ids)
    for reason, group in _by_reason(review.followed).items():
        claims = [present[one.claim.pk] for one in group if one.claim.pk in present]
        subjects = {claim.pk: f"{former[claim.pk]} to {claim.subject}" for claim in claims}
        cause = Cause(reason, actor, now)
        audit.record(claims, action=LogAction.FOLLOW, cause=cause, gained=gained, lost=lost, subjects=subjects)
    cause = Cause(LogReason.SPOT_CHANGED, actor, now)
    come = [present[spot.pk] for spot in created if spot.pk in present]
    audit.record(come, action=LogAction.SUBSCRIBE, cause=cause, gained=gained)
    respotted = [present[one.claim.pk] for one in review.respotted if one.claim.pk in present]
    audit.record(respotted, action=LogAction.FOLLOW, cause=cause)
