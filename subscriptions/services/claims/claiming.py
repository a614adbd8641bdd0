"""Claiming and releasing one chain or one instrument: one transaction each, under the placement lock.

A chain's window is opened before the lock, for that may ask the broker for a price; under the lock the window is
read again, because somebody else may have moved it since. If a claim does not fit, nothing is changed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import SeriesKey
from subscriptions.domain.claims import Cause, ClaimKind, LegChange, LogAction, Tier
from subscriptions.models import Claim, ClaimLeg
from subscriptions.services.claims import eviction, offers, quota, spots, windows, wording
from subscriptions.services.claims.eviction import ALWAYS_ON, AddedItem, AddedLegs
from subscriptions.services.claims.release import Release, release
from subscriptions.services.claims.windows import OpenedChain, PlacedWindow
from subscriptions.services.placement import audit
from subscriptions.services.placement.legs import CapacityExceeded
from subscriptions.services.placement.lock import nudge_owners_on_commit, placement


class UnknownClaim(DomainError):
    """A claim that is not there, or not any more."""

    code = "unknown_claim"


@dataclass(frozen=True, slots=True)
class Placed:
    """A claim and what it brought. The spot of a chain is not counted among its legs."""

    claim_id: int
    legs: int
    subscribed: int  # of the legs, those that began to stream
    shared: int  # of the legs, those that streamed already
    per_connection: Mapping[int, int]  # legs of this claim on each connection
    window: PlacedWindow | None = None  # of a chain
    spot_instrument_id: int | None = None  # of a chain
    evicted: tuple[str, ...] = ()  # what went for it, in words
    message: str = ""  # the same as a sentence


def claim_chain(
    *,
    series: SeriesKey,
    width: int,
    tier: Tier,
    kind: ClaimKind,
    user_id: int | None,
    rule_id: int | None = None,
    actor: str,
    reason: str,
    caller_ltp: Decimal | None = None,
    now: datetime,
    opened: OpenedChain | None = None,
) -> Placed:
    """Claim a chain; asking again for one's own explicit chain gives the claim that stands.

    A caller with a transaction of its own opens the chain before it (`open_chain`) and hands it in as `opened`.
    Raises UnknownExpiry, NoSpot, PriceUnknown, QuotaExceeded, CapacityExceeded, PlacementBusy.
    """
    if opened is None:
        opened = windows.open_chain(series=series, width=width, caller_ltp=caller_ltp, now=now)
    with placement(now=now):
        window = windows.place_windows([opened])[series, width]
        others = windows.claims_of(series, width)
        added = AddedItem(wording.describe_series(series), user_id)
        moved = windows.set_windows([(others, window.instrument_ids)], actor=actor, now=now, added=added)
        if moved.gained or moved.lost:
            nudge_owners_on_commit()
        standing = [one for one in others if one.user_id == user_id and one.kind == kind == ClaimKind.CHAIN]
        if user_id is not None and standing:
            return _standing(standing[0], window, opened, evicted=moved.evicted, now=now)
        quota.check_chain(opened, window, user_id=user_id)
        claim = Claim(
            kind=kind,
            tier=tier,
            user_id=user_id,
            rule_id=rule_id,
            exchange_segment=series.segment,
            underlying_symbol=series.underlying,
            expiry=series.expiry,
            width=width,
            is_pinned=any(one.is_pinned for one in others if one.tier == tier),
            last_viewed_at=now,
            claimed_at=now,
        )
        spot_id = opened.listing.spot_instrument_id
        try:
            held = _hold_chains(
                {spot_id: [(claim, window.instrument_ids)]},
                tier=tier,
                cause=Cause(reason, actor, now),
                added=added,
            )
        except CapacityExceeded as refusal:
            raise offers.with_offer(refusal, opened, window) from None
        evicted = tuple(dict.fromkeys((*moved.evicted, *held.evicted)))
        return _placed(claim.pk, AddedLegs(held.changes, evicted), added, window, spot_id)


def claim_instrument(
    *,
    instrument_id: int,
    tier: Tier,
    kind: ClaimKind,
    user_id: int | None,
    rule_id: int | None = None,
    actor: str,
    reason: str,
    now: datetime,
) -> Placed:
    """Claim one instrument. Raises QuotaExceeded, CapacityExceeded, PlacementBusy."""
    with placement(now=now):
        quota.check_instrument(instrument_id, user_id=user_id)
        claim = Claim.objects.create(
            kind=kind,
            tier=tier,
            user_id=user_id,
            rule_id=rule_id,
            instrument_id=instrument_id,
            is_pinned=Claim.objects.filter(tier=tier, instrument_id=instrument_id, is_pinned=True).exists(),
            last_viewed_at=now,
            claimed_at=now,
        )
        added = AddedItem(wording.describe_claim(claim), user_id)
        cause = Cause(reason, actor, now)
        held = eviction.add_legs({claim.pk: [instrument_id]}, tiers={claim.pk: tier}, cause=cause, added=added)
        audit.record([claim], action=LogAction.SUBSCRIBE, cause=cause, gained=held.changes)
        nudge_owners_on_commit()
        return _placed(claim.pk, held, added)


def release_claim(*, claim_id: int, actor: str, reason: str, now: datetime) -> Release:
    """Release one claim; instruments that no other claim holds stop streaming. Raises UnknownClaim, PlacementBusy."""
    with placement(now=now):
        claims = list(Claim.objects.filter(pk=claim_id))
        if not claims:
            raise UnknownClaim(f"There is no claim {claim_id}.")
        return release(claims, cause=Cause(reason, actor, now))


def hold_chains(
    chains: Mapping[int, Sequence[tuple[Claim, Sequence[int]]]], *, tier: Tier, cause: Cause
) -> Sequence[LegChange]:
    """Write new chain claims of one tier with their spots and legs, under the lock; return the legs of the chains.

    `chains` is (unsaved claim, its instruments) by spot instrument; a spot without chains is claimed all the same.
    Where there is no room, chains of tier A are evicted. Raises CapacityExceeded.
    """
    return _hold_chains(chains, tier=tier, cause=cause, added=ALWAYS_ON).changes


def _hold_chains(
    chains: Mapping[int, Sequence[tuple[Claim, Sequence[int]]]], *, tier: Tier, cause: Cause, added: AddedItem
) -> AddedLegs:
    all_spots, new_spots = spots.find_or_create_spots(chains, tier=tier, now=cause.now)
    claims = []
    for spot_id, group in chains.items():
        for claim, _ in group:
            claim.spot_id = all_spots[spot_id]
            claims.append(claim)
    Claim.objects.bulk_create(claims)
    wanted: dict[int, Sequence[int]] = {spot.pk: [spot.instrument_id] for spot in new_spots if spot.instrument_id}
    wanted |= {claim.pk: instruments for group in chains.values() for claim, instruments in group}
    if not wanted:
        return AddedLegs([])
    held = eviction.add_legs(wanted, tiers=dict.fromkeys(wanted, tier), cause=cause, added=added)
    audit.record([*new_spots, *claims], action=LogAction.SUBSCRIBE, cause=cause, gained=held.changes)
    nudge_owners_on_commit()
    of_spots = {spot.pk for spot in new_spots}
    return AddedLegs([change for change in held.changes if change.claim_id not in of_spots], held.evicted)


def _placed(
    claim_id: int,
    held: AddedLegs,
    added: AddedItem,
    window: PlacedWindow | None = None,
    spot_id: int | None = None,
) -> Placed:
    gained = held.changes
    subscribed = sum(change.changes_streaming for change in gained)
    per_connection = Counter(change.connection for change in gained)
    return Placed(
        claim_id=claim_id,
        legs=len(gained),
        subscribed=subscribed,
        shared=len(gained) - subscribed,
        per_connection=dict(sorted(per_connection.items())),
        window=window,
        spot_instrument_id=spot_id,
        evicted=held.evicted,
        message=wording.describe_added(added.words, held.evicted),
    )


def _standing(
    claim: Claim, window: PlacedWindow, opened: OpenedChain, *, evicted: tuple[str, ...], now: datetime
) -> Placed:
    Claim.objects.filter(pk=claim.pk).update(last_viewed_at=now)
    numbers = ClaimLeg.objects.filter(claim=claim).values_list("subscription__connection_id", flat=True)
    per_connection = Counter(numbers)
    return Placed(
        claim_id=claim.pk,
        legs=per_connection.total(),
        subscribed=0,
        shared=per_connection.total(),
        per_connection=dict(sorted(per_connection.items())),
        window=window,
        spot_instrument_id=opened.listing.spot_instrument_id,
        evicted=evicted,
        message=wording.describe_existing(wording.describe_claim(claim), evicted),
    )
