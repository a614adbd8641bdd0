"""Releasing claims: any number at once, with the spots that nobody needs any more."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from subscriptions.domain.claims import ClaimKind, LogAction, Tier
from subscriptions.models import Claim
from subscriptions.services.claims import spots
from subscriptions.services.placement import audit, legs
from subscriptions.services.placement.audit import Cause
from subscriptions.services.placement.legs import LegChange
from subscriptions.services.placement.lock import nudge_owners_on_commit


@dataclass(frozen=True, slots=True)
class ReleasedClaims:
    """How many claims went (spots not counted), how many instruments ceased to stream, and how many legs stayed."""

    claims: int
    released: int
    kept: int
    freed_by: Mapping[int, int] = field(default_factory=dict)  # claim id -> instruments that ceased with it


def release(
    claim_ids: Collection[int],
    *,
    cause: Cause,
    held_next: Collection[int] = (),
    spared_spots: Collection[int] = (),
    action: LogAction = LogAction.UNSUBSCRIBE,
) -> ReleasedClaims:
    """Release claims of any kind under the placement lock; a watchlist entry that had one stays without.

    `held_next` are instruments that the caller holds next, `spared_spots` those whose spot claims stay although
    no chain needs them. `action` is what the log calls it for the claims themselves.
    """
    claims = list(Claim.objects.filter(pk__in=claim_ids).select_related("instrument").order_by("pk"))
    return release_claims(claims, cause=cause, held_next=held_next, spared_spots=spared_spots, action=action)


def release_claims(
    claims: Sequence[Claim],
    *,
    cause: Cause,
    held_next: Collection[int] = (),
    spared_spots: Collection[int] = (),
    action: LogAction = LogAction.UNSUBSCRIBE,
) -> ReleasedClaims:
    """Do as `release` does with claims at hand, whose instruments were read with them."""
    lost = _drop(claims, action=action, cause=cause, held_next=held_next)
    for tier in sorted({Tier(claim.tier) for claim in claims if claim.kind != ClaimKind.SPOT}):
        idle = spots.list_idle_spots(tier=tier, spared=spared_spots)
        _drop(idle, action=LogAction.UNSUBSCRIBE, cause=cause, held_next=held_next)
    ended = sum(change.changes_streaming for change in lost)
    freed_by = Counter(change.claim_id for change in lost if change.changes_streaming)
    return ReleasedClaims(len(claims), ended, len(lost) - ended, freed_by)


def _drop(
    claims: Sequence[Claim], *, action: LogAction, cause: Cause, held_next: Collection[int]
) -> Sequence[LegChange]:
    if not claims:
        return []
    lost = legs.remove_all({claim.pk: Tier(claim.tier) for claim in claims}, held_next=held_next)
    holders = [audit.audited_claim(claim, token=claim.instrument.token if claim.instrument else "") for claim in claims]
    audit.record(holders, action=action, cause=cause, lost=lost)
    Claim.objects.filter(pk__in=[claim.pk for claim in claims]).delete()
    nudge_owners_on_commit()
    return lost
