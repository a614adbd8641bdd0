"""Totals of all subscriptions: wanted per tier, streaming, and their difference; and those on their way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import connection

from subscriptions.domain.claims import Tier
from subscriptions.domain.connections import ConnectionStatus
from subscriptions.selectors.connections import list_reported_connections

# Chosen: nudge, read, one message and the next report take under two seconds; for a second more nothing is wrong.
ON_THEIR_WAY_SECONDS: Final = 3

# By the database's clock, which wrote `since`. A moving subscription still streams on the connection that it leaves.
_COUNT_PLACED: Final = """
SELECT connection_id, count(*), count(*) FILTER (
    WHERE leaving_connection_id IS NOT NULL
        OR since BETWEEN clock_timestamp() - make_interval(secs => %s) AND clock_timestamp()
) FROM subscriptions GROUP BY connection_id
"""


@dataclass(frozen=True, slots=True)
class PlacedCounts:
    """Subscriptions of one connection: all, and those that its owner may not have sent yet."""

    total: int
    on_their_way: int


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
    with connection.cursor() as cursor:
        cursor.execute("SELECT tier, count(*) FROM subscriptions GROUP BY tier")
        tiers = dict(cursor.fetchall())
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


def count_placed() -> Mapping[int, PlacedCounts]:
    """Return the subscriptions of each connection that has some, by number, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_PLACED, [ON_THEIR_WAY_SECONDS])
        return {number: PlacedCounts(total, new) for number, total, new in cursor.fetchall()}
