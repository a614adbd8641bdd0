"""Totals of all subscriptions: wanted per tier, streaming, and their difference."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count

from subscriptions.domain.claims import Tier
from subscriptions.domain.connections import ConnectionStatus
from subscriptions.models import Subscription
from subscriptions.selectors.connections import list_reported_connections


@dataclass(frozen=True, slots=True)
class Status:
    """Totals and connections. `drift` is wanted minus confirmed streaming; None while Redis does not answer."""

    total: int
    capacity: int
    tier_a: int
    tier_b: int
    utilisation: float  # percent of capacity
    connections: Sequence[ConnectionStatus]
    drift: int | None


def subscription_status() -> Status:
    """Return the totals, the tiers, the five connections and the drift, in two queries."""
    connections = list_reported_connections()
    tiers = dict(Subscription.objects.values_list("tier").annotate(count=Count("pk")))
    total, capacity = sum(tiers.values()), sum(one.capacity for one in connections)
    streaming = sum(one.streaming or 0 for one in connections)
    return Status(
        total=total,
        capacity=capacity,
        tier_a=tiers.get(Tier.A, 0),
        tier_b=tiers.get(Tier.B, 0),
        utilisation=round(100 * total / capacity, 2) if capacity else 0.0,
        connections=connections,
        drift=None if any(one.streaming is None for one in connections) else total - streaming,
    )
