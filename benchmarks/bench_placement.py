"""Claims and preload: set operations against row by row, on the same database in the same run.

    .venv/bin/python -m devstack exec -- .venv/bin/python -m benchmarks.bench_placement

Measures one committed operation with legs and audit, wall time and time in the database: a claim of 50 and of 202 legs
with 20,000 subscriptions, and with all 25,000 slots occupied, which evicts; a preload of 2,272 into empty connections.
The alternative writes the same rows through the ORM one at a time, in one transaction. Creates a test database and
drops it. Medians in milliseconds.
"""

# ruff: noqa: E402  Models can be imported only after django.setup().

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "terminal.settings")
django.setup()

from django.db import connection, transaction

from benchmarks.by_rows import add_leg, remove_leg
from benchmarks.clock import Taken, median, report, timed
from marketdata.models import Instrument
from subscriptions.domain.claims import Cause, ClaimKind, LogAction, Tier
from subscriptions.models import Claim, ClaimLeg, Subscription, SubscriptionLog
from subscriptions.services.claims import claiming
from subscriptions.services.claims.release import release
from subscriptions.services.placement import audit, legs
from subscriptions.services.placement.lock import placement
from tests.factories import NOW, make_equities, make_index

PRESENT = 20_000  # chosen: a busy day, with free slots
FULL = 25_000  # five connections of 5,000 (dhan/requests.py)
CAUSE = Cause("BENCHMARK", "bench", NOW)


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
    Case("claim 50", 1, 50, PRESENT, 10, 15, 5),
    Case("claim 202", 1, 202, PRESENT, 25, 15, 5),
    Case("claim 50, full", 1, 50, FULL, 15, 15, 5),
    Case("claim 202, full", 1, 202, FULL, 30, 15, 5),
    Case("preload 2,272", 54, 42, 0, 200, 5, 1),
]


def new_claim(tier: Tier, number: int) -> Claim:
    return Claim(
        kind=ClaimKind.WATCHLIST,
        tier=tier,
        exchange_segment=2,
        underlying_symbol=f"BENCH{number}",
        expiry=NOW.date(),
        width=25,
        last_viewed_at=NOW,
        claimed_at=NOW,
    )


def as_sets(spot: Instrument, groups: Sequence[Sequence[Instrument]]) -> None:
    """Claim every group with the services of the product, under the placement lock."""
    with placement(now=NOW):
        chains = [(new_claim(Tier.A, number), [one.pk for one in group]) for number, group in enumerate(groups)]
        claiming.hold_chains({spot.pk: chains}, tier=Tier.A, cause=CAUSE)


def row_by_row(spot: Instrument, groups: Sequence[Sequence[Instrument]]) -> None:
    """Claim every group one row at a time."""
    with transaction.atomic():
        make_room_one_by_one(1 + sum(len(group) for group in groups))
        spot_claim = Claim.objects.create(
            kind=ClaimKind.SPOT, tier=Tier.A, instrument=spot, last_viewed_at=NOW, claimed_at=NOW
        )
        add_leg(spot_claim, spot.pk)
        for number, group in enumerate(groups):
            claim = new_claim(Tier.A, number)
            claim.spot = spot_claim
            claim.save()
            for instrument in group:
                add_leg(claim, instrument.pk)
            SubscriptionLog.objects.create(
                at=NOW, action=LogAction.SUBSCRIBE, reason="BENCHMARK", actor="bench", legs=[one.pk for one in group]
            )


def make_room_one_by_one(needed: int) -> None:
    """Evict the oldest claims until so many places are free, row by row."""
    while FULL - Subscription.objects.count() < needed:
        oldest = Claim.objects.filter(tier=Tier.A).exclude(kind=ClaimKind.SPOT).earliest("last_viewed_at", "pk")
        for leg in ClaimLeg.objects.filter(claim=oldest).select_related("subscription"):
            remove_leg(leg)
        SubscriptionLog.objects.create(at=NOW, action=LogAction.EVICT, reason="BENCHMARK", actor="bench")
        oldest.delete()


def fill(instruments: Sequence[Instrument]) -> None:
    """Subscribe those `instruments` that are not subscribed yet, 50 in a claim."""
    streaming = set(Subscription.objects.values_list("instrument_id", flat=True))
    instruments = [one for one in instruments if one.pk not in streaming]
    with transaction.atomic():
        groups = [instruments[first : first + 50] for first in range(0, len(instruments), 50)]
        made = Claim.objects.bulk_create([new_claim(Tier.A, 10_000 + number) for number in range(len(groups))])
        wanted = {claim.pk: [one.pk for one in group] for claim, group in zip(made, groups, strict=True)}
        gained = legs.add(wanted, tiers=dict.fromkeys(wanted, Tier.A), now=NOW)
        audit.record(made, action=LogAction.SUBSCRIBE, cause=CAUSE, gained=gained)


def measure_act(act: Callable[[], None], *, present: Sequence[Instrument], repeats: int) -> Taken:
    """Return the median time of `act` with its commit; the state is restored after each run."""
    taken = []
    for _ in range(repeats):
        with timed() as one:
            act()
        taken.append(one)
        with placement(now=NOW):
            mine = Claim.objects.filter(underlying_symbol__startswith="BENCH", spot__isnull=False)
            release(list(mine), cause=CAUSE)
        fill(present)
    return median(taken)


def measure(case: Case, spot: Instrument, shares: Sequence[Instrument]) -> None:
    present, free = shares[: case.present], shares[FULL:]
    fill(present)
    # Without statistics of the new rows the planner chooses other plans than in production.
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    groups = [free[number * case.legs : (number + 1) * case.legs] for number in range(case.claims)]
    fast = measure_act(lambda: as_sets(spot, groups), present=present, repeats=case.repeats)
    slow = measure_act(lambda: row_by_row(spot, groups), present=present, repeats=case.slow_repeats)
    report(case.name, fast, slow, budget_ms=case.budget_ms)


def main() -> None:
    own = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        spot = make_index("BENCHSPOT", security_id=1)
        shares = make_equities(FULL + 2_300)
        # From few to many: `fill` only adds subscriptions.
        for case in sorted(CASES, key=lambda one: one.present):
            measure(case, spot, shares)
    finally:
        connection.creation.destroy_test_db(own, verbosity=0)


if __name__ == "__main__":
    main()
