"""Release of expired contracts: every claim of a series or contract after its last trading day.

The instrument import decides which contracts are listed.
"""

from datetime import datetime
from typing import Final

from django.db.models import Q

from marketdata import selectors as market_selectors
from subscriptions.domain.claims import Cause, ClaimKind, LogReason
from subscriptions.models import Claim
from subscriptions.services.claims.release import Release, release
from subscriptions.services.placement.lock import placement

ACTOR: Final = "expiry"


def release_expired(*, now: datetime) -> Release:
    """Release every claim that expired before the market date, in both tiers. Raises PlacementBusy."""
    today = market_selectors.market_today()
    expired = Claim.objects.filter(Q(expiry__lt=today) | Q(instrument__expiry__lt=today)).exclude(kind=ClaimKind.SPOT)
    # Most runs find nothing: look before waiting for the placement lock.
    if not expired.exists():
        return Release()
    with placement(now=now):
        return release(list(expired.order_by("pk")), cause=Cause(LogReason.EXPIRED, ACTOR, now))
