"""View claims: an opened chain streams, gives way to claims of traders, and ends after its viewers left."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from accounts.models import User
from marketdata.domain.chain import WindowKey
from marketdata.streaming.messages import WatchChain
from subscriptions import services
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import Claim, Subscription, SubscriptionLog
from subscriptions.services.passes.recentre import RecentreReport
from subscriptions.services.placement.lock import PLACEMENT_LOCK
from tests.factories import NOW, Listing, put_prices
from tests.integration.subscriptions.claim_factories import (
    claim_chain,
    count_subscribed,
    leave_free,
    release_claim,
)
from tests.integration.subscriptions.invariants import check_invariants
from watchlists.watch_resolver import resolve_watch

LATER = NOW + timedelta(hours=1)
CLOSES = date(2026, 2, 10)
CLOSE = datetime(2026, 2, 10, 10, 0, tzinfo=UTC)  # 15:30 IST


def seconds(count: int) -> timedelta:
    return timedelta(seconds=count)


def open_in_browser(user: User, symbol: str, *, strikes: int | None = None, now: datetime = NOW) -> Mapping[str, Any]:
    """Return what a page gets that opens a chain."""
    watch = WatchChain(watch_id="chain", symbol=symbol, exchange=None, expiry=None, strikes=strikes)
    return resolve_watch(watch=watch, user_id=user.pk, is_opening=True, now=now).message


def read_again(symbol: str, *, is_unclaimed: bool, now: datetime) -> Mapping[str, Any]:
    """Return what a page gets that has shown a chain for a while."""
    watch = WatchChain(watch_id="chain", symbol=symbol, exchange=None, expiry=None, strikes=None)
    return resolve_watch(watch=watch, user_id=None, is_opening=False, is_unclaimed=is_unclaimed, now=now).message


def window_of(listing: Listing, symbol: str, width: int = 25) -> WindowKey:
    return WindowKey(listing.series_of(symbol), width)


def views() -> list[tuple[str, int | None]]:
    """Return underlying and width of each view claim."""
    found = Claim.objects.filter(kind=ClaimKind.VIEW).order_by("underlying_symbol", "width")
    return list(found.values_list("underlying_symbol", "width"))


def log_of(symbol: str) -> list[tuple[str, str, str, dict[str, int]]]:
    rows = SubscriptionLog.objects.filter(subject__startswith=f"{symbol} ").order_by("pk")
    return [(row.action, row.reason, row.actor, row.counts) for row in rows]


def test_a_chain_that_a_browser_opens_streams(listing: Listing, asha: User) -> None:
    shown = open_in_browser(asha, "RELIANCE")

    assert (shown["not_streaming"], shown["not_streaming_reason"]) == ([], None)
    claim = Claim.objects.get(kind=ClaimKind.VIEW)
    assert (claim.tier, claim.user, claim.width, claim.is_pinned) == ("A", None, 25, False)
    assert count_subscribed() == 51
    assert log_of("RELIANCE") == [
        ("subscribe", "VIEWED", "asha", {"legs": 50, "subscribed": 50, "shared": 0}),
    ]
    check_invariants()


def test_viewers_of_one_chain_share_one_view_claim_for_each_width(listing: Listing, asha: User, vikram: User) -> None:
    for user in (asha, vikram):
        open_in_browser(user, "RELIANCE")
        open_in_browser(user, "RELIANCE", strikes=5)

    assert views() == [("RELIANCE", 5), ("RELIANCE", 25)]
    assert count_subscribed() == 51
    assert SubscriptionLog.objects.filter(reason="VIEWED", subject__startswith="RELIANCE ").count() == 2
    check_invariants()


def test_the_database_refuses_a_second_view_claim_of_a_window(listing: Listing, asha: User) -> None:
    open_in_browser(asha, "RELIANCE")
    claim = Claim.objects.get(kind=ClaimKind.VIEW)
    claim.pk = None

    with pytest.raises(IntegrityError, match="claims_one_view_per_window"), transaction.atomic():
        claim.save()


def test_a_view_claim_is_gone_a_minute_after_its_last_view(listing: Listing, asha: User, vikram: User) -> None:
    open_in_browser(asha, "RELIANCE", now=NOW)
    open_in_browser(vikram, "RELIANCE", now=NOW + seconds(20))
    left = {window_of(listing, "RELIANCE"): NOW + seconds(30)}

    assert services.note_windows(left) == frozenset()
    before = services.release_unviewed(now=NOW + seconds(89))
    after = services.release_unviewed(now=NOW + seconds(90))

    assert (before.claims, after.claims, after.released) == (0, 1, 50)
    assert not Subscription.objects.exists()
    assert log_of("RELIANCE")[-1] == ("unsubscribe", "NOT_VIEWED", "view", {"legs": 50, "released": 50, "kept": 0})
    check_invariants()


def test_a_note_never_makes_the_last_view_earlier(listing: Listing, asha: User) -> None:
    open_in_browser(asha, "RELIANCE", now=NOW + seconds(30))

    services.note_windows({window_of(listing, "RELIANCE"): NOW})

    assert Claim.objects.get(kind=ClaimKind.VIEW).last_viewed_at == NOW + seconds(30)


def test_chains_that_are_viewed_stay_and_are_noted_in_one_statement(
    listing: Listing, asha: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for symbol in ("RELIANCE", "TCS", "CRUDEOIL"):
        open_in_browser(asha, symbol)
    viewed = {window_of(listing, symbol): NOW + seconds(60) for symbol in ("RELIANCE", "TCS", "NIFTY")}

    with django_assert_num_queries(1):
        unclaimed = services.note_windows(viewed)
    services.release_unviewed(now=NOW + seconds(60))

    assert unclaimed == {window_of(listing, "NIFTY")}
    assert views() == [("RELIANCE", 25), ("TCS", 25)]


def test_a_pass_without_unviewed_chains_is_one_query(
    listing: Listing, asha: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    open_in_browser(asha, "RELIANCE")

    with django_assert_num_queries(1):
        services.release_unviewed(now=NOW + seconds(59))


def test_an_added_chain_goes_on_when_its_viewers_have_left(listing: Listing, asha: User) -> None:
    open_in_browser(asha, "RELIANCE")
    placed = claim_chain(listing.series_of("RELIANCE"), user_id=asha.pk)

    released = services.release_unviewed(now=LATER)

    assert (placed.subscribed, placed.shared) == (0, 50)
    assert (released.released, released.kept) == (0, 50)
    assert count_subscribed() == 51
    check_invariants()


def test_a_removed_chain_goes_on_while_it_is_shown(listing: Listing, asha: User) -> None:
    placed = claim_chain(listing.series_of("RELIANCE"), user_id=asha.pk)
    open_in_browser(asha, "RELIANCE")

    released = release_claim(placed.claim_id)

    assert (released.released, released.kept) == (0, 50)
    assert read_again("RELIANCE", is_unclaimed=False, now=NOW)["not_streaming"] == []


def test_a_view_never_evicts_a_chain_of_a_trader(listing: Listing, asha: User, vikram: User) -> None:
    claim_chain(listing.series_of("TCS"), user_id=vikram.pk, now=NOW)
    leave_free(3)

    shown = open_in_browser(asha, "RELIANCE", now=LATER)

    assert len(shown["strikes"]) == 25
    assert (len(shown["not_streaming"]), shown["not_streaming_reason"]) == (51, "no_room")
    assert views() == []
    assert Claim.objects.filter(user=vikram).exists()
    assert not SubscriptionLog.objects.filter(action="evict").exists()


def test_an_opened_chain_evicts_the_view_that_is_viewed_least_recently(
    listing: Listing, asha: User, vikram: User
) -> None:
    claim_chain(listing.series_of("NIFTY"), user_id=vikram.pk, width=11, now=NOW)
    open_in_browser(asha, "TCS", now=NOW + seconds(20))
    open_in_browser(asha, "CRUDEOIL", now=NOW + seconds(10))
    leave_free(0)

    assert open_in_browser(vikram, "RELIANCE", now=LATER)["not_streaming"] == []

    assert views() == [("RELIANCE", 25), ("TCS", 25)]
    counts = {"legs": 50, "released": 50, "kept": 0, "idle_seconds": 3_590}
    assert log_of("CRUDEOIL")[-1] == ("evict", "CAPACITY", "vikram", counts)
    assert Claim.objects.filter(user=vikram).exists()
    check_invariants()


def test_an_added_chain_evicts_views_before_every_other_chain(listing: Listing, asha: User, vikram: User) -> None:
    claim_chain(listing.series_of("TCS"), user_id=asha.pk, now=NOW)
    open_in_browser(asha, "CRUDEOIL", now=LATER)
    leave_free(0)

    placed = claim_chain(listing.series_of("RELIANCE"), user_id=vikram.pk, now=LATER)

    assert placed.subscribed == 50
    # No trader has lost a chain: the pages that showed CRUDEOIL say so.
    assert (placed.evicted, placed.message) == ((), "Added RELIANCE 24 Feb")
    assert views() == []
    assert Claim.objects.filter(user=asha).exists()
    check_invariants()


def test_a_chain_that_is_evicted_stops_for_its_viewers_too(listing: Listing, asha: User, vikram: User) -> None:
    claim_chain(listing.series_of("TCS"), user_id=asha.pk, now=NOW)
    open_in_browser(asha, "TCS", now=NOW)
    leave_free(0)

    placed = claim_chain(listing.series_of("RELIANCE"), user_id=vikram.pk, now=LATER)

    assert placed.evicted == ("TCS 24 Feb",)
    assert views() == []
    check_invariants()


def test_tier_b_evicts_views(listing: Listing, asha: User) -> None:
    open_in_browser(asha, "TCS")
    leave_free(0)

    claim_chain(listing.series_of("RELIANCE"), user_id=None, tier=Tier.B, kind=ClaimKind.PRELOAD, now=LATER)

    assert views() == []


def leave_the_edge(listing: Listing) -> RecentreReport:
    """Move RELIANCE from the highest strike, where its window of five has three, to the middle; none fits beside it."""
    put_prices({listing.spots["RELIANCE"].pk: 2_600.0}, now=NOW + seconds(1))
    leave_free(0)
    return services.recentre(now=NOW + seconds(2))


def test_a_window_of_a_trader_that_grows_evicts_views(listing: Listing, asha: User, vikram: User) -> None:
    put_prices({listing.spots["RELIANCE"].pk: 3_000.0})
    claim_chain(listing.series_of("RELIANCE"), user_id=asha.pk, width=5, now=NOW)
    claim_chain(listing.series_of("CRUDEOIL"), user_id=asha.pk, width=5, now=NOW)
    open_in_browser(vikram, "TCS", strikes=5, now=NOW)

    report = leave_the_edge(listing)

    assert (report.moved, report.subscribed, report.waiting) == (1, 10, ())
    assert views() == []
    assert Claim.objects.filter(user=asha).count() == 2
    check_invariants()


def test_a_window_of_a_view_that_grows_evicts_nothing(listing: Listing, asha: User, vikram: User) -> None:
    put_prices({listing.spots["RELIANCE"].pk: 3_000.0})
    open_in_browser(vikram, "RELIANCE", strikes=5, now=NOW)
    open_in_browser(vikram, "TCS", strikes=5, now=NOW)
    claim_chain(listing.series_of("CRUDEOIL"), user_id=asha.pk, width=5, now=NOW)

    report = leave_the_edge(listing)

    assert (report.moved, len(report.waiting)) == (0, 1)
    assert views() == [("RELIANCE", 5), ("TCS", 5)]
    assert Claim.objects.filter(user=asha).exists()
    check_invariants()


def test_a_view_streams_only_the_free_instruments_that_it_needs(listing: Listing, asha: User, vikram: User) -> None:
    claim_chain(listing.series_of("RELIANCE"), user_id=vikram.pk, width=21, now=NOW)
    leave_free(8)

    assert open_in_browser(asha, "RELIANCE", now=LATER)["not_streaming"] == []

    assert count_subscribed() == 51
    check_invariants()


def test_a_view_joins_a_window_as_its_other_claims_hold_it(listing: Listing, asha: User, vikram: User) -> None:
    claim_chain(listing.series_of("RELIANCE"), user_id=vikram.pk, now=NOW)
    put_prices({listing.spots["RELIANCE"].pk: 2_684.0}, now=LATER)

    assert open_in_browser(asha, "RELIANCE", now=LATER)["atm"] == "2600"
    services.recentre(now=LATER + seconds(1))

    assert read_again("RELIANCE", is_unclaimed=False, now=LATER)["atm"] == "2680"
    check_invariants()


def test_the_quota_does_not_count_views(listing: Listing, asha: User, settings: Settings) -> None:
    settings.INSTRUMENT_QUOTA = 50
    for symbol in ("RELIANCE", "TCS", "NIFTY"):
        open_in_browser(asha, symbol)

    assert claim_chain(listing.series_of("CRUDEOIL"), user_id=asha.pk).subscribed == 50


def test_opening_a_chain_before_adding_it_does_not_avoid_the_quota(
    listing: Listing, asha: User, settings: Settings
) -> None:
    settings.INSTRUMENT_QUOTA = 49
    open_in_browser(asha, "RELIANCE")

    with pytest.raises(services.QuotaExceeded, match="needs 50 more live instruments; you have 49 left"):
        claim_chain(listing.series_of("RELIANCE"), user_id=asha.pk)


def test_the_end_of_the_day_releases_views_and_the_next_note_claims_them_again(listing: Listing, asha: User) -> None:
    open_in_browser(asha, "RELIANCE", now=CLOSE - seconds(10))

    services.end_of_day(closes=CLOSES, actor="beat", now=CLOSE)

    assert log_of("RELIANCE")[-1][:3] == ("unsubscribe", "EOD_CLEANUP", "beat")
    assert not Subscription.objects.exists()
    shown = read_again("RELIANCE", is_unclaimed=False, now=CLOSE)
    assert (len(shown["not_streaming"]), shown["not_streaming_reason"]) == (51, "soon")
    window = window_of(listing, "RELIANCE")
    assert services.note_windows({window: CLOSE + seconds(20)}) == {window}
    assert read_again("RELIANCE", is_unclaimed=True, now=CLOSE + seconds(20))["not_streaming"] == []
    assert log_of("RELIANCE")[-1][:3] == ("subscribe", "VIEWED", "view")


def test_a_chain_that_stays_open_evicts_no_other_view(listing: Listing, asha: User) -> None:
    open_in_browser(asha, "TCS")
    leave_free(0)

    shown = read_again("RELIANCE", is_unclaimed=True, now=LATER)

    assert shown["not_streaming_reason"] == "no_room"
    assert views() == [("TCS", 25)]


@pytest.mark.django_db(transaction=True)
def test_a_chain_is_shown_although_no_claim_can_be_written_in_time(
    listing: Listing, asha: User, settings: Settings
) -> None:
    settings.STATEMENT_TIMEOUT_MS = 150
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [PLACEMENT_LOCK])
        shown = open_in_browser(asha, "RELIANCE")
    other.close()

    assert (len(shown["strikes"]), shown["not_streaming_reason"]) == (25, "soon")
    assert open_in_browser(asha, "RELIANCE")["not_streaming"] == []


def test_staff_evict_a_view_and_cannot_pin_one(listing: Listing, asha: User) -> None:
    open_in_browser(asha, "RELIANCE")
    view = Claim.objects.get(kind=ClaimKind.VIEW)

    assert services.set_pinned(claim_ids=[view.pk], is_pinned=True, actor="staff", now=NOW) == 0
    (evicted,) = services.evict_chains(claim_ids=[view.pk], actor="staff", reason="broken listing", now=NOW)

    assert (evicted.subject, evicted.usernames, evicted.released) == ("RELIANCE 24 Feb", (), 50)
    assert views() == []


def test_a_view_is_released_with_its_expired_series(listing: Listing, asha: User, settings: Settings) -> None:
    open_in_browser(asha, "NIFTY")
    settings.MARKET_DATE = date(2026, 2, 18)

    services.release_expired(now=LATER)

    assert views() == []
    check_invariants()


def test_reading_a_chain_through_the_api_claims_nothing(listing: Listing, asha: User) -> None:
    client = APIClient()
    client.force_authenticate(asha)

    assert client.get("/api/v2/option-chain/RELIANCE").status_code == 200

    assert not Claim.objects.exists()
    assert not Subscription.objects.exists()
