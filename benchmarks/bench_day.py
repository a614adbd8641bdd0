"""Recentre, preload and end of day: set operations against row by row, on the same database in the same run.

    .venv/bin/python -m devstack exec -- .venv/bin/python -m benchmarks.bench_day

Measures one committed operation with legs and audit: a recentre of 200 chains of 50 legs whose spots all moved a step,
a preload of 8,500 into empty connections, a release of 22,700 at the end of the day. The alternative writes the same
rows through the ORM one at a time, in one transaction, once. Creates a test database and drops it. Milliseconds.
"""

# ruff: noqa: I001  Importing the database sets Django up.

import os
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count

from benchmarks.database import CAUSE, analyze, hold, in_groups, new_claim, own_database
from benchmarks.by_rows import add_leg, remove_leg
from benchmarks.clock import median_of, record_both

from django.conf import settings
from django.db import transaction

from marketdata.models import AtmCache, Instrument
from subscriptions import services
from subscriptions.domain.claims import ClaimKind, LogAction, Tier
from subscriptions.models import Claim, Subscription, SubscriptionLog
from subscriptions.services.claims.release import release
from subscriptions.services.placement.lock import placement
from tests.factories import NOW, make_equities, make_series, open_chain, put_prices

CHAINS = 200  # chosen: one for each of 200 traders
TOMORROW = NOW.date() + timedelta(days=1)


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
    steps = count(1)
    at = NOW

    def move_market() -> None:
        """Move all spots a step, 10 s later."""
        nonlocal at
        step = next(steps)
        at = NOW + timedelta(seconds=10 * step)
        put_prices({spot.pk: 1_000.0 + 10 * step for spot in spots}, now=at)

    def recentre() -> None:
        moved = services.recentre(now=at).moved
        assert moved == CHAINS

    fast = median_of(recentre, repeats=5, before=move_market)
    slow = median_of(lambda: recentre_by_rows(at), repeats=1, before=move_market)
    assert set(AtmCache.objects.values_list("atm", flat=True)) == {Decimal(1_060)}
    record_both("day", f"recentre {CHAINS} chains", fast, slow, budget_ms=600, whole_budget_ms=2_000)
    clear()


# Many claims and releases.


def hold_as_sets(groups: Sequence[Sequence[int]], tier: Tier) -> None:
    hold([new_claim(number, tier) for number in range(len(groups))], groups)


def hold_by_rows(groups: Sequence[Sequence[int]], tier: Tier) -> None:
    with transaction.atomic():
        for number, group in enumerate(groups):
            claim = new_claim(number, tier)
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


def bench_preload(shares: Sequence[int]) -> None:
    groups = in_groups(shares[:8_500], 202)
    fast = median_of(lambda: hold_as_sets(groups, Tier.B), repeats=5, after=clear)
    slow = median_of(lambda: hold_by_rows(groups, Tier.B), repeats=1, after=clear)
    record_both("day", "preload 8,500", fast, slow, budget_ms=600)


def bench_end_of_day(shares: Sequence[int]) -> None:
    groups = in_groups(shares, 50)
    days = count()

    def fill() -> None:
        hold_as_sets(groups, Tier.A)
        analyze()

    def end_day() -> None:
        closes = TOMORROW + timedelta(days=next(days))
        services.end_of_day(closes=closes, actor="bench", now=NOW + timedelta(days=99))

    def check_is_empty() -> None:
        assert not Subscription.objects.exists()

    fast = median_of(end_day, repeats=5, before=fill, after=check_is_empty)
    slow = median_of(close_by_rows, repeats=1, before=fill)
    record_both("day", "end of day, 22,700", fast, slow, budget_ms=600)


def main() -> None:
    settings.MARKET_DATE = NOW.date()
    settings.REDIS_PREFIX = f"bench-day-{os.getpid()}"
    with own_database():
        bench_recentre()
        shares = [one.pk for one in make_equities(22_700)]
        analyze()
        bench_preload(shares)
        bench_end_of_day(shares)


if __name__ == "__main__":
    main()
