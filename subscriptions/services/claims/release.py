"""Release of claims: any number in one set of statements, and the spot claims that no chain needs any more."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.contrib.auth import get_user_model

from marketdata import notices
from marketdata.domain.errors import DomainError
from subscriptions.domain.claims import Cause, ClaimKind, LegChange, LogAction, LogReason, Tier
from subscriptions.models import Claim
from subscriptions.services.claims import spots
from subscriptions.services.placement import audit, legs
from subscriptions.services.placement.lock import nudge_owners_on_commit, placement


class UnknownClaim(DomainError):
    """There is no claim with this id, or no longer."""

    code = "unknown_claim"


@dataclass(frozen=True, slots=True)
class Release:
    """Result of releasing claims, or of evicting one chain. Spot claims released along with it are not counted."""

    claims: int = 0
    released: int = 0  # instruments that stopped streaming
    kept: int = 0  # legs that other claims hold
    user_ids: frozenset[int] = frozenset()  # the traders who lost a claim
    released_by_claim: Mapping[int, int] = field(default_factory=dict)  # `released` by claim id
    subject: str = ""  # of an evicted chain, as traders read it: "INFY 24 Feb"
    usernames: tuple[str, ...] = ()  # of an evicted chain
    target: notices.Target = field(default_factory=dict)  # of an evicted chain, as pages identify it


def release(
    claims: Sequence[Claim],
    *,
    cause: Cause,
    held_next: Collection[int] = (),
    spared_spots: Collection[int] = (),
    action: LogAction = LogAction.UNSUBSCRIBE,
) -> Release:
    """Release `claims` of any kind; the caller has acquired the placement lock.

    `held_next`: instruments that the caller makes other claims hold afterwards; they keep streaming. `spared_spots`:
    instruments whose spot claims stay without a chain. `action` is logged for `claims`; spots log UNSUBSCRIBE.
    """
    lost = _delete(claims, action=action, cause=cause, held_next=held_next)
    # A spot is idle only once its last chain is deleted, so spots are read after the chains.
    for tier in sorted({Tier(claim.tier) for claim in claims if claim.kind != ClaimKind.SPOT}):
        idle = spots.list_idle_spots(tier=tier, spared=spared_spots)
        _delete(idle, action=LogAction.UNSUBSCRIBE, cause=cause, held_next=held_next)
    by_claim = Counter(change.claim_id for change in lost if change.changes_streaming)
    users = frozenset(claim.user_id for claim in claims if claim.user_id is not None)
    return Release(len(claims), by_claim.total(), len(lost) - by_claim.total(), users, by_claim)


def _delete(
    claims: Sequence[Claim], *, action: LogAction, cause: Cause, held_next: Collection[int]
) -> Sequence[LegChange]:
    if not claims:
        return []
    lost = legs.remove_all({claim.pk: Tier(claim.tier) for claim in claims}, held_next=held_next)
    audit.record(claims, action=action, cause=cause, lost=lost)
    Claim.objects.filter(pk__in=[claim.pk for claim in claims]).delete()
    nudge_owners_on_commit()
    return lost


def release_claim(*, claim_id: int, actor: str, reason: str, now: datetime) -> Release:
    """Release one claim; instruments that no other claim holds stop streaming. Raises UnknownClaim, PlacementBusy."""
    with placement(now=now):
        claims = list(Claim.objects.filter(pk=claim_id))
        if not claims:
            raise UnknownClaim(f"There is no claim {claim_id}.")
        return release(claims, cause=Cause(reason, actor, now))


def delete_users(*, user_ids: Collection[int], actor: str, now: datetime) -> Release:
    """Release all claims of these users, then delete the users with their watchlists and tokens. Raises PlacementBusy.

    A foreign key refuses to delete a user who still has claims, so no other path can leave subscriptions without a
    claim. Log rows keep the name as a plain value.
    """
    with placement(now=now):
        claims = list(Claim.objects.filter(user__in=user_ids).order_by("pk"))
        released = release(claims, cause=Cause(LogReason.USER_DELETED, actor, now))
        get_user_model().objects.filter(pk__in=user_ids).delete()
        return released
