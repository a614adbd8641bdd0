"""Moving instruments: set operations against row by row, on the same database in the same run.

    .venv/bin/python -m devstack exec --durable -- .venv/bin/python -m benchmarks.bench_rebalance

Measures one committed operation with 400 claims, wall time and time in the database: a rebalance that moves 5,000 of
12,500 instruments to two connections that are empty after an outage, and a failover of 4,000 of 20,000. The alternative
moves one row at a time through the ORM, with a log row each, in one transaction. Creates a test database and drops it.
Medians in milliseconds.
"""

# ruff: noqa: I001  Importing the database sets Django up.

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import cycle, islice

from benchmarks.clock import median_of, record_both
from benchmarks.database import new_claim, own_database

from django.db import connection, transaction
from django.utils import timezone

from marketdata.models import Instrument
from subscriptions import services
from subscriptions.domain.claims import LogAction, Tier
from subscriptions.models import Claim, ClaimLeg, FeedConnection, FeedLease, Subscription, SubscriptionLog
from tests.factories import NOW, make_equities

BUDGET_MS = 300  # chosen: a tenth of the lease of a feed owner, 3 s
REPEATS, SLOW_REPEATS = 5, 1  # chosen: one run row by row takes seconds


@dataclass(frozen=True)
class Case:
    """One operation: loads before, and the moves that the alternative makes instead."""

    name: str
    loads: Sequence[int]
    lost: int | None
    act: Callable[[], int]
    moves: int
    surplus: Mapping[int, int]
    targets: Sequence[int]


def make_live(lost: int | None) -> None:
    """Make all connections live except `lost`."""
    FeedConnection.objects.update(state="live")
    alive, dead = timezone.now() + timedelta(hours=1), timezone.now() - timedelta(seconds=9)
    FeedLease.objects.update(owner="bench", expires_at=alive)
    if lost is not None:
        FeedLease.objects.filter(connection=lost).update(expires_at=dead)


def spread(loads: Sequence[int]) -> None:
    """Subscribe `loads` instruments on each connection; the other instruments are not subscribed."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM claim_legs")
        cursor.execute("DELETE FROM subscriptions")
    ids = iter(Instrument.objects.order_by("pk").values_list("pk", flat=True))
    Subscription.objects.bulk_create(
        [
            Subscription(instrument_id=one, connection_id=number, tier=Tier.A, mode="full", since=NOW)
            for number, load in enumerate(loads, start=1)
            for one in islice(ids, load)
        ],
        batch_size=5_000,
    )
    ClaimLeg.objects.bulk_create(
        [
            ClaimLeg(claim_id=claim_id, subscription_id=pk)
            for pk, claim_id in zip(
                Subscription.objects.order_by("pk").values_list("pk", flat=True),
                cycle(Claim.objects.values_list("pk", flat=True)),
                strict=False,
            )
        ],
        batch_size=10_000,
    )
    with connection.cursor() as cursor:
        # The deleted rows of the run before would slow down the scans of this one.
        cursor.execute("VACUUM ANALYZE subscriptions, claim_legs")


def row_by_row(surplus: Mapping[int, int], targets: Sequence[int]) -> int:
    """Move the surplus of each connection to the target with the lowest load, one row at a time."""
    moved = 0
    with transaction.atomic():
        for source, count in surplus.items():
            for row in Subscription.objects.filter(connection=source).order_by("pk")[:count]:
                target = FeedConnection.objects.filter(number__in=targets).order_by("load", "number")[0]
                row.connection = target
                row.save()
                SubscriptionLog.objects.create(
                    at=NOW, action=LogAction.MOVE, reason="BENCHMARK", actor="bench", legs=[row.instrument_id]
                )
                moved += 1
    return moved


def measure(case: Case) -> None:
    def prepare() -> None:
        make_live(case.lost)
        spread(case.loads)

    def checked(act: Callable[[], int]) -> None:
        moved = act()
        assert moved == case.moves, moved

    fast = median_of(lambda: checked(case.act), repeats=REPEATS, before=prepare)
    slow = median_of(
        lambda: checked(lambda: row_by_row(case.surplus, case.targets)), repeats=SLOW_REPEATS, before=prepare
    )
    record_both("rebalance", case.name, fast, slow, budget_ms=BUDGET_MS)


CASES = [
    Case(
        name="rebalance 5,000",
        loads=[5_000, 5_000, 2_500, 0, 0],
        lost=None,
        act=lambda: services.rebalance(actor="bench", now=NOW).moves,
        moves=5_000,
        surplus={1: 2_500, 2: 2_500},
        targets=[4, 5],
    ),
    Case(
        name="fail over 4,000 of 20,000",
        loads=[4_000, 4_000, 4_000, 4_000, 4_000],
        lost=5,
        act=lambda: services.fail_over(connection=5, now=NOW).moved,
        moves=4_000,
        surplus={5: 4_000},
        targets=[1, 2, 3, 4],
    ),
]


def main() -> None:
    with own_database():
        make_equities(20_000)
        claims = [new_claim(number) for number in range(400)]
        for number, claim in enumerate(claims):
            claim.last_viewed_at = NOW + timedelta(seconds=number)
        Claim.objects.bulk_create(claims)
        for case in CASES:
            measure(case)


if __name__ == "__main__":
    main()
