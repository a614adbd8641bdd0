"""Release of view claims: a chain that only browsers showed stops streaming a minute after the last one left."""

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from subscriptions.domain.claims import Cause, ClaimKind, LogReason
from subscriptions.models import Claim
from subscriptions.services.claims.release import Release, release
from subscriptions.services.placement.lock import placement

ACTOR: Final = "view"


def release_unviewed(*, now: datetime) -> Release:
    """Release every view claim that no browser viewed for `VIEW_SECONDS`. Raises PlacementBusy."""
    viewed_before = now - timedelta(seconds=settings.VIEW_SECONDS)
    unviewed = Claim.objects.filter(kind=ClaimKind.VIEW, last_viewed_at__lte=viewed_before)
    # Most runs find nothing: look before waiting for the placement lock.
    if not unviewed.exists():
        return Release()
    with placement(now=now):
        # The rows are locked, so a claim that was viewed meanwhile is not among them.
        claims = list(unviewed.select_for_update(no_key=True).order_by("pk"))
        return release(claims, cause=Cause(LogReason.NOT_VIEWED, ACTOR, now))
