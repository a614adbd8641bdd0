"""Claims and preload: set operations against row by row, on the same database in the same run.

    .venv/bin/python -m devstack exec -- .venv/bin/python -m benchmarks.bench_placement

Measures one committed operation with legs and audit, wall time and time in the database: a claim of 50 and of 202 legs
with 20,000 subscriptions, and with all 25,000 slots occupied, which evicts; a preload of 2,272 into empty connections.
The alternative writes the same rows through the ORM one at a time, in one transaction. Creates a test database and
drops it. Medians in milliseconds.
"""

# ruff: noqa: I001  Importing the database sets Django up.

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.database import CAUSE, FULL, analyze, hold, in_groups, new_claim, own_database
from benchmarks.by_rows import add_leg, remove_leg
from benchmarks.clock import median_of, record_both

from django.db import transaction

from marketdata.models import Instrument
from subscriptions.domain.claims import ClaimKind, LogAction, Tier
from subscriptions.models import Claim, ClaimLeg, Subscription, SubscriptionLog
from subscriptions.services.claims import claiming
from subscriptions.services.claims.release import release
from subscriptions.services.placement.lock import placement
from tests.factories import NOW, make_equities, make_index

PRESENT = 20_000  # chosen: a busy day, with free slots


@dataclass(frozen=True)
class Case:
    """One operation: claims, legs of each, and the number of subscriptions before it."""

    name: str
    claims: int
    legs: int
    present: int
    budget_ms: float
    repeats: int
    slow_repeats: int


CASES = [
    Case("claim 50 legs, 20,000 present", 1, 50, PRESENT, 10, 15, 5),
    Case("claim 202 legs, 20,000 present", 1, 202, PRESENT, 25, 15, 5),
    Case("claim 50 legs at 25,000, evicting", 1, 50, FULL, 15, 15, 5),
    Case("claim 202 legs at 25,000, evicting", 1, 202, FULL, 30, 15, 5),
    Case("preload 2,272", 54, 42, 0, 200, 5, 1),
]


def as_sets(spot: Instrument, groups: Sequence[Sequence[int]]) -> None:
    """Claim every group with the services of the product, under the placement lock."""
    with placement(now=NOW):
        chains = [(new_claim(number), group) for number, group in enumerate(groups)]
        claiming.hold_chains({spot.pk: chains}, tier=Tier.A, cause=CAUSE)


def row_by_row(spot: Instrument, groups: Sequence[Sequence[int]]) -> None:
    """Claim every group one row at a time."""
    with transaction.atomic():
        make_room_one_by_one(1 + sum(len(group) for group in groups))
        spot_claim = Claim.objects.create(
            kind=ClaimKind.SPOT, tier=Tier.A, instrument=spot, last_viewed_at=NOW, claimed_at=NOW
        )
        add_leg(spot_claim, spot.pk)
        for number, group in enumerate(groups):
            claim = new_claim(number)
            claim.spot = spot_claim
            claim.save()
            for instrument_id in group:
                add_leg(claim, instrument_id)
            SubscriptionLog.objects.create(
                at=NOW, action=LogAction.SUBSCRIBE, reason="BENCHMARK", actor="bench", legs=group
            )


def make_room_one_by_one(needed: int) -> None:
    """Evict the oldest claims until so many places are free, row by row."""
    while FULL - Subscription.objects.count() < needed:
        oldest = Claim.objects.filter(tier=Tier.A).exclude(kind=ClaimKind.SPOT).earliest("last_viewed_at", "pk")
        for leg in ClaimLeg.objects.filter(claim=oldest).select_related("subscription"):
            remove_leg(leg)
        SubscriptionLog.objects.create(at=NOW, action=LogAction.EVICT, reason="BENCHMARK", actor="bench")
        oldest.delete()


def fill(instruments: Sequence[int]) -> None:
    """Subscribe those `instruments` that are not subscribed yet, 50 in a claim."""
    streaming = set(Subscription.objects.values_list("instrument_id", flat=True))
    groups = in_groups([one for one in instruments if one not in streaming], 50)
    hold([new_claim(10_000 + number) for number in range(len(groups))], groups)


def measure(case: Case, spot: Instrument, shares: Sequence[int]) -> None:
    present, free = shares[: case.present], shares[FULL:]
    groups = in_groups(free[: case.claims * case.legs], case.legs)

    def restore() -> None:
        with placement(now=NOW):
            mine = Claim.objects.filter(underlying_symbol__startswith="BENCH", spot__isnull=False)
            release(list(mine), cause=CAUSE)
        fill(present)

    fill(present)
    analyze()
    fast = median_of(lambda: as_sets(spot, groups), repeats=case.repeats, after=restore)
    slow = median_of(lambda: row_by_row(spot, groups), repeats=case.slow_repeats, after=restore)
    record_both("placement", case.name, fast, slow, budget_ms=case.budget_ms)


def main() -> None:
    with own_database():
        spot = make_index("BENCHSPOT", security_id=1)
        shares = [one.pk for one in make_equities(FULL + 2_300)]
        # From few to many: `fill` only adds subscriptions.
        for case in sorted(CASES, key=lambda one: one.present):
            measure(case, spot, shares)


if __name__ == "__main__":
    main()
