"""Expiry: contracts past their last day are let go, whoever claims them. Listing them is the import's business."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from marketdata import selectors as market_selectors
from subscriptions.domain.claims import ClaimKind, LogReason
from subscriptions.models import Claim
from subscriptions.services.claims.release import release
from subscriptions.services.placement.audit import Cause
from subscriptions.services.placement.lock import placement

ACTOR = "expiry"


@dataclass(frozen=True, slots=True)
class ExpiryReport:
    """What expired: claims, instruments that ceased to stream, and whose claims they were."""

    claims: int
    released: int
    user_ids: frozenset[int] = frozenset()


def release_expired(*, now: datetime) -> ExpiryReport:
    """Release every claim of a series or contract that expired before the market's date. Raises PlacementBusy.

    Spots of either tier go with the last chain that needed them.
    """
    today = market_selectors.market_today()
    expired = Claim.objects.filter(Q(expiry__lt=today) | Q(instrument__expiry__lt=today)).exclude(kind=ClaimKind.SPOT)
    if not expired.exists():
        return ExpiryReport(claims=0, released=0)
    with placement(now=now):
        owners = dict(expired.values_list("pk", "user_id"))
        outcome = release(list(owners), cause=Cause(LogReason.EXPIRED, ACTOR, now))
        return ExpiryReport(
            outcome.claims, outcome.released, frozenset(user for user in owners.values() if user is not None)
        )
