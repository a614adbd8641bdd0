"""Claims of one chain or one instrument: one transaction each, under the placement lock.

A chain is opened before the lock, because its price may need a request to the broker; its window is decided under
the lock. If a claim does not fit, nothing is changed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from marketdata.services import Chain
from subscriptions.domain.claims import Cause, ClaimKind, LogAction, Tier
from subscriptions.models import Claim, ClaimLeg
from subscriptions.services.claims import eviction, quota, spots, windows, wording
from subscriptions.services.claims.eviction import ALWAYS_ON, AddedItem, AddedLegs
from subscriptions.services.placement import audit
from subscriptions.services.placement.legs import CapacityExceeded
from subscriptions.services.placement.lock import nudge_owners_on_commit, placement


@dataclass(frozen=True, slots=True)
class Placed:
    """A claim and the legs that it got. The spot of a chain is not counted among its legs."""

    claim_id: int
    legs: int
    subscribed: int  # Legs that began to stream with this claim.
    shared: int  # Legs that streamed before.
    per_connection: Mapping[int, int]  # Legs of this claim on each connection.
    chain: Chain | None = None  # As claimed, with the window that this transaction left in force.
    evicted: tuple[str, ...] = ()  # The evicted chains, as a trader reads them.
    message: str = ""  # One sentence for the trader.


def claim_chain(
    *, chain: Chain, tier: Tier, kind: ClaimKind, user_id: int | None, actor: str, reason: str, now: datetime
) -> Placed:
    """Claim a chain that was opened before (`marketdata.services.open_chain`), in a new transaction.

    A second explicit claim of the same trader returns the existing one. Raises QuotaExceeded, CapacityExceeded,
    PlacementBusy; then nothing is changed.
    """
    with placement(now=now):
        return claim_chain_locked(chain=chain, tier=tier, kind=kind, user_id=user_id, cause=Cause(reason, actor, now))


def claim_chain_locked(*, chain: Chain, tier: Tier, kind: ClaimKind, user_id: int | None, cause: Cause) -> Placed:
    """Claim a chain as `claim_chain` does, inside a transaction of the caller that holds the placement lock.

    1. Read the stored window again: another process may have moved it since the chain was opened.
    2. Where that window no longer holds, store the new one and move the other claims of the window to it.
    3. Check the quota, then hold the legs, evicting older chains where there is no room.
    """
    others = windows.list_claims([chain.key])
    chain = windows.current_chains([chain], others)[chain.key]
    claims = others[chain.key]
    added = AddedItem(wording.describe_series(chain.key.series), user_id)
    moved = windows.set_windows([(claims, chain.instrument_ids)], actor=cause.actor, now=cause.now, added=added)
    if moved.gained or moved.lost:
        nudge_owners_on_commit()
    existing = [one for one in claims if one.user_id == user_id and one.kind == kind == ClaimKind.CHAIN]
    if user_id is not None and existing:
        return _existing(existing[0], chain, evicted=moved.evicted, now=cause.now)
    quota.check_chain(chain, user_id=user_id)
    claim = Claim(
        kind=kind,
        tier=tier,
        user_id=user_id,
        exchange_segment=chain.key.series.segment,
        underlying_symbol=chain.key.series.underlying,
        expiry=chain.key.series.expiry,
        width=chain.width,
        is_pinned=any(one.is_pinned for one in claims if one.tier == tier),
        last_viewed_at=cause.now,
        claimed_at=cause.now,
    )
    spot_id = chain.listing.spot_instrument_id
    try:
        held = hold_chains({spot_id: [(claim, chain.instrument_ids)]}, tier=tier, cause=cause, added=added)
    except CapacityExceeded as refusal:
        raise quota.with_offer(refusal, chain) from None
    evicted = tuple(dict.fromkeys((*moved.evicted, *held.evicted)))
    return _placed(claim.pk, AddedLegs(held.changes, evicted), added, chain)


def claim_instrument_locked(
    *, instrument_id: int, tier: Tier, kind: ClaimKind, user_id: int | None, cause: Cause
) -> Placed:
    """Claim one instrument inside a transaction of the caller that holds the placement lock.

    Raises QuotaExceeded, CapacityExceeded; then nothing is changed.
    """
    quota.check_instrument(instrument_id, user_id=user_id)
    claim = Claim.objects.create(
        kind=kind,
        tier=tier,
        user_id=user_id,
        instrument_id=instrument_id,
        is_pinned=Claim.objects.filter(tier=tier, instrument_id=instrument_id, is_pinned=True).exists(),
        last_viewed_at=cause.now,
        claimed_at=cause.now,
    )
    added = AddedItem(wording.describe_claim(claim), user_id)
    held = eviction.add_legs({claim.pk: [instrument_id]}, tiers={claim.pk: tier}, cause=cause, added=added)
    audit.record([claim], action=LogAction.SUBSCRIBE, cause=cause, gained=held.changes)
    nudge_owners_on_commit()
    return _placed(claim.pk, held, added)


def hold_chains(
    chains: Mapping[int, Sequence[tuple[Claim, Sequence[int]]]],
    *,
    tier: Tier,
    cause: Cause,
    added: AddedItem = ALWAYS_ON,
) -> AddedLegs:
    """Write new chain claims of one tier with their spots and legs, under the lock; return the legs of the chains.

    `chains` is (unsaved claim, its instruments) by spot instrument; a spot without chains is claimed all the same.
    Where there is no room, chains of tier A are evicted. Raises CapacityExceeded.
    """
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


def _placed(claim_id: int, held: AddedLegs, added: AddedItem, chain: Chain | None = None) -> Placed:
    gained = held.changes
    subscribed = sum(change.changes_streaming for change in gained)
    per_connection = Counter(change.connection for change in gained)
    return Placed(
        claim_id=claim_id,
        legs=len(gained),
        subscribed=subscribed,
        shared=len(gained) - subscribed,
        per_connection=dict(sorted(per_connection.items())),
        chain=chain,
        evicted=held.evicted,
        message=wording.describe_added(added.words, held.evicted),
    )


def _existing(claim: Claim, chain: Chain, *, evicted: tuple[str, ...], now: datetime) -> Placed:
    Claim.objects.filter(pk=claim.pk).update(last_viewed_at=now)
    numbers = ClaimLeg.objects.filter(claim=claim).values_list("subscription__connection_id", flat=True)
    per_connection = Counter(numbers)
    return Placed(
        claim_id=claim.pk,
        legs=per_connection.total(),
        subscribed=0,
        shared=per_connection.total(),
        per_connection=dict(sorted(per_connection.items())),
        chain=chain,
        evicted=evicted,
        message=wording.describe_existing(wording.describe_claim(claim), evicted),
    )
