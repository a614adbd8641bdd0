"""Who holds what, by name: for staff only, before they act on it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.db.models import Count


@dataclass(frozen=True, slots=True)
class Holding:
    """What one user has claimed: how many things, of how many instruments."""

    username: str
    claims: int
    legs: int


def list_holdings(*, user_ids: Collection[int]) -> Sequence[Holding]:
    """Return what each of these users has claimed, by name."""
    counted = (
        get_user_model()
        .objects.filter(pk__in=user_ids)
        .annotate(claim_count=Count("claims", distinct=True), leg_count=Count("claims__legs"))
    )
    rows = counted.order_by("username").values_list("username", "claim_count", "leg_count")
    return [Holding(*row) for row in rows]
