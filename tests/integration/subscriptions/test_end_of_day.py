"""The end of day releases tier A of its date and nothing else."""

from datetime import UTC, date, datetime, timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from subscriptions import services
from subscriptions.domain.claims import ClaimKind
from subscriptions.models import Claim, Subscription, SubscriptionLog
from tests.factories import NOW, Listing, make_user
from tests.integration.subscriptions.claim_factories import (
    claim_chain,
    claim_instrument,
    count_subscribed,
    fill_with_shares,
)
from tests.integration.subscriptions.invariants import check_invariants

CLOSES = date(2026, 2, 10)
CLOSE = datetime(2026, 2, 10, 10, 0, tzinfo=UTC)  # 15:30 IST


def test_tier_a_is_released_and_tier_b_stays(listing: Listing) -> None:
    services.preload_tier_b(now=NOW)
    always = count_subscribed()
    user = make_user()
    claim_chain(listing.series_of("RELIANCE"), user_id=user.pk)
    claim_chain(listing.series_of("NIFTY"), user_id=user.pk, width=31)
    claim_instrument(listing.spots["TCS"].pk, user_id=user.pk)

    released = services.end_of_day(closes=CLOSES, actor="beat", now=CLOSE)

    assert released is not None
    assert (released.claims, released.released, released.kept) == (3, 50 + 20 + 1, 42)
    assert count_subscribed() == always
    assert set(Subscription.objects.values_list("tier", flat=True)) == {"B"}
    assert not Claim.objects.filter(tier="A").exists()
    check_invariants()


def test_each_released_claim_has_one_row_in_the_log(listing: Listing) -> None:
    for name in ("trader1", "trader2"):
        claim_chain(listing.series_of("RELIANCE"), user_id=make_user(name).pk)

    services.end_of_day(closes=CLOSES, actor="beat", now=CLOSE)

    rows = SubscriptionLog.objects.filter(reason="EOD_CLEANUP").order_by("pk")
    assert [(row.subject, row.action, row.actor, row.at, row.counts) for row in rows] == [
        ("RELIANCE 24 Feb 2026 x25", "unsubscribe", "beat", CLOSE, {"legs": 50, "released": 0, "kept": 50}),
        ("RELIANCE 24 Feb 2026 x25", "unsubscribe", "beat", CLOSE, {"legs": 50, "released": 50, "kept": 0}),
        ("RELIANCE", "unsubscribe", "beat", CLOSE, {"legs": 1, "released": 1, "kept": 0}),
    ]


def test_claims_from_the_cut_on_stay_with_their_spot(listing: Listing) -> None:
    early = claim_chain(listing.series_of("RELIANCE"), user_id=make_user("early").pk, width=5)
    late = claim_chain(listing.series_of("RELIANCE"), user_id=make_user("late").pk, width=7, now=CLOSE)

    services.end_of_day(closes=CLOSES, actor="beat", now=CLOSE + timedelta(seconds=1))

    assert set(Claim.objects.exclude(kind=ClaimKind.SPOT).values_list("pk", flat=True)) == {late.claim_id}
    assert early.claim_id not in Claim.objects.values_list("pk", flat=True)
    assert count_subscribed() == 15
    check_invariants()


def test_a_run_that_is_days_late_releases_nothing_of_today(listing: Listing) -> None:
    claim_chain(listing.series_of("RELIANCE"), user_id=make_user().pk, now=NOW + timedelta(days=2))

    released = services.end_of_day(closes=CLOSES, actor="beat", now=NOW + timedelta(days=2, hours=1))

    assert released == services.Release()
    assert count_subscribed() == 51


def test_a_second_run_releases_nothing(listing: Listing) -> None:
    claim_chain(listing.series_of("RELIANCE"), user_id=make_user().pk)
    services.end_of_day(closes=CLOSES, actor="beat", now=CLOSE)
    rows = SubscriptionLog.objects.count()

    again = services.end_of_day(closes=CLOSES, actor="beat", now=CLOSE)

    assert again is None
    assert SubscriptionLog.objects.count() == rows


def test_the_log_of_many_released_shares_needs_as_many_queries_as_that_of_one(
    listing: Listing, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    fill_with_shares(1, prefix="FIRST")
    with CaptureQueriesContext(connection) as one:
        services.end_of_day(closes=CLOSES, actor="beat", now=CLOSE)
    fill_with_shares(40, prefix="STOCK", now=NOW)

    with django_assert_num_queries(len(one)):
        services.end_of_day(closes=CLOSES + timedelta(days=1), actor="beat", now=CLOSE + timedelta(days=1))

    rows = SubscriptionLog.objects.filter(reason="EOD_CLEANUP").exclude(subject__startswith="FIRST")
    assert len(set(rows.values_list("subject", flat=True))) == 40
