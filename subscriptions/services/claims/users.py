"""Deleting users: what they claimed is released first, in the same transaction, with its audit rows.

The database refuses to delete a user who still holds claims, so nobody can go by another way and leave
subscriptions that nobody wants. The log names people by plain values and keeps them.
"""

from collections.abc import Collection
from datetime import datetime

from django.contrib.auth import get_user_model

from subscriptions.domain.claims import LogReason
from subscriptions.models import Claim
from subscriptions.services.claims.release import ReleasedClaims, release
from subscriptions.services.placement.audit import Cause
from subscriptions.services.placement.lock import placement


def delete_users(*, user_ids: Collection[int], actor: str, now: datetime) -> ReleasedClaims:
    """Release all claims of these users and delete them with their watchlists and tokens. Raises PlacementBusy."""
    with placement(now=now):
        claims = Claim.objects.filter(user__in=user_ids)
        released = release(list(claims.values_list("pk", flat=True)), cause=Cause(LogReason.USER_DELETED, actor, now))
        get_user_model().objects.filter(pk__in=user_ids).delete()
        return released
