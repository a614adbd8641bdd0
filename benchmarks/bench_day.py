"""Recentre, preload and end of day: set operations against row by row, on the same database in the same run.

    .venv/bin/python -m devstack exec -- .venv/bin/python -m benchmarks.bench_day

Measures one committed operation with legs and audit: a recentre of 200 chains of 50 legs whose spots all moved a step,
a preload of 8,500 into empty connections, a release of 22,700 at the end of the day. The alternative writes the same
rows through the ORM one at a time, in one transaction, once. Creates a test database and drops it. Milliseconds.
"""

# ruff: noqa: E402  Models can be imported only after django.setup().

import os
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "terminal.settings")
django.setup()

from django.conf import settings
from django.db import connection, transaction

from benchmarks.by_rows import add_leg, remove_leg
from benchmarks.clock import median, report, timed
from marketdata.models import AtmCache, Instrument
from subscriptions import services
from subscriptions.domain.claims import Cause, ClaimKind, LogAction, Tier
from subscriptions.models import Claim, Subscription, SubscriptionLog
from subscriptions.services.claims.release import release
from subscriptions.services.placement import audit, legs
from subscriptions.services.placement.lock import placement
from tests.factories import NOW, make_equities, make_series, open_chain, put_prices

CHAINS = 200  # chosen: one for each of 200 traders
CAUSE = Cause("BENCHMARK", "bench", NOW)
TOMORROW = NOW.date() + timedelta(days=1)


def analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def log_one(claim: Claim, action: LogAction, instruments: list[int]) -> None:
    SubscriptionLog.objects.create(
        at=NOW,
        action=action,
        reason="BENCHMARK",
        actor="bench",
        subject=str(claim.series or claim.pk),
        legs=instruments,
    )


# Recentring.


def make_chains() -> list[Instrument]:
    spots = list(make_equities(CHAINS, prefix="SPOT"))
    put_prices({spot.pk: 1_000.0 for spot in spots})
    for spot in spots:
        series = make_series(spot, middle=1_000, step=10, strikes=61, expiry=date(2026, 2, 24))
        services.claim_chain(
            chain=open_chain(series, width=25),
            tier=Tier.A,
            kind=ClaimKind.WATCHLIST,
            user_id=None,
            actor="bench",
            reason="BENCHMARK",
            now=NOW,
        )
    return spots


def move_market(spots: Sequence[Instrument], price: float, at: datetime) -> None:
    put_prices({spot.pk: price for spot in spots}, now=at)


def recentre_by_rows(at: datetime) -> None:
    """Recentre chain by chain and leg by leg."""
    with transaction.atomic():
        for claim in Claim.objects.filter(expiry__isnull=False).order_by("pk"):
            assert claim.series is not None
            assert claim.width is not None
            chain = open_chain(claim.series, width=claim.width, now=at)
            found = chain.window
            wanted = set(chain.instrument_ids)
            held = {leg.subscription.instrument_id: leg for leg in claim.legs.select_related("subscription")}
            AtmCache.objects.filter(underlying_symbol=claim.underlying_symbol).update(
                ltp=found.ltp,
                atm=found.atm,
                lowest_strike=found.lowest_strike,
                highest_strike=found.highest_strike,
                calculated_at=at,
            )
            for instrument_id in held.keys() - wanted:
                remove_leg(held[instrument_id])
            for instrument_id in wanted - held.keys():
                add_leg(claim, instrument_id)
            log_one(claim, LogAction.RECENTRE, sorted(held.keys() ^ wanted))


def bench_recentre() -> None:
    spots = make_chains()
    analyze()
    runs = []
    for step in range(1, 6):
        at = NOW + timedelta(seconds=10 * step)
        move_market(spots, 1_000.0 + 10 * step, at)
        with timed() as taken:
            moved = services.recentre(now=at).moved
        assert moved == CHAINS
        runs.append(taken)
    at = NOW + timedelta(seconds=100)
    move_market(spots, 1_060.0, at)
    with timed() as slow:
        recentre_by_rows(at)
    assert set(AtmCache.objects.values_list("atm", flat=True)) == {Decimal(1_060)}
    report(f"recentre {CHAINS}", median(runs), slow, budget_ms=600)
    clear()


# Many claims and releases.


def new_claims(count: int, tier: Tier) -> list[Claim]:
    return [
        Claim(
            kind=ClaimKind.WATCHLIST,
            tier=tier,
            exchange_segment=2,
            underlying_symbol=f"BENCH{number}",
            expiry=NOW.date(),
            width=25,
            last_viewed_at=NOW,
            claimed_at=NOW,
        )
        for number in range(count)
    ]


def hold_as_sets(groups: Sequence[Sequence[int]], tier: Tier) -> None:
    with placement(now=NOW):
        made = Claim.objects.bulk_create(new_claims(len(groups), tier))
        wanted = {claim.pk: group for claim, group in zip(made, groups, strict=True)}
        gained = legs.add(wanted, tiers=dict.fromkeys(wanted, tier), now=NOW)
        audit.record(made, action=LogAction.SUBSCRIBE, cause=CAUSE, gained=gained)


def hold_by_rows(groups: Sequence[Sequence[int]], tier: Tier) -> None:
    with transaction.atomic():
        for claim, group in zip(new_claims(len(groups), tier), groups, strict=True):
            claim.save()
            for instrument_id in group:
                add_leg(claim, instrument_id)
            log_one(claim, LogAction.SUBSCRIBE, list(group))


def close_by_rows() -> None:
    with transaction.atomic():
        for claim in Claim.objects.filter(tier=Tier.A).order_by("pk"):
            held = list(claim.legs.select_related("subscription"))
            for leg in held:
                remove_leg(leg)
            log_one(claim, LogAction.UNSUBSCRIBE, [leg.subscription.instrument_id for leg in held])
            claim.delete()


def clear() -> None:
    with placement(now=NOW):
        release(list(Claim.objects.exclude(kind=ClaimKind.SPOT)), cause=CAUSE)


def in_groups(instruments: Sequence[Instrument], size: int) -> list[list[int]]:
    ids = [one.pk for one in instruments]
    return [ids[first : first + size] for first in range(0, len(ids), size)]


def bench_preload(shares: Sequence[Instrument]) -> None:
    groups = in_groups(shares[:8_500], 202)
    runs = []
    for _ in range(5):
        with timed() as taken:
            hold_as_sets(groups, Tier.B)
        runs.append(taken)
        clear()
    with timed() as slow:
        hold_by_rows(groups, Tier.B)
    clear()
    report("preload 8,500", median(runs), slow, budget_ms=600)


def bench_end_of_day(shares: Sequence[Instrument]) -> None:
    groups = in_groups(shares[:22_700], 50)
    runs = []
    for number in range(5):
        hold_as_sets(groups, Tier.A)
        analyze()
        with timed() as taken:
            services.end_of_day(closes=TOMORROW + timedelta(days=number), actor="bench", now=NOW + timedelta(days=99))
        assert not Subscription.objects.exists()
        runs.append(taken)
    hold_as_sets(groups, Tier.A)
    with timed() as slow:
        close_by_rows()
    report("end of day 22,700", median(runs), slow, budget_ms=600)


def main() -> None:
    own = connection.settings_dict["NAME"]
    settings.MARKET_DATE = NOW.date()
    settings.REDIS_PREFIX = f"bench-day-{os.getpid()}"
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        bench_recentre()
        shares = make_equities(22_700)
        analyze()
        bench_preload(shares)
        bench_end_of_day(shares)
    finally:
        connection.creation.destroy_test_db(own, verbosity=0)


if __name__ == "__main__":
    main()
