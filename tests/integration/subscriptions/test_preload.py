"""Preload of tier B by rules: claims, waiting targets, releases, and idempotent passes."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, Settings

from marketdata import rest_board
from subscriptions import selectors, services
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import Claim, FeedConnection, PreloadRule, Subscription, SubscriptionLog
from tests.brokers import Broker, running_broker
from tests.factories import NOW, Listing, drop_prices, make_future, make_series, make_user, put_prices
from tests.integration.subscriptions.claim_factories import claim_chain, count_subscribed, list_loads
from tests.integration.subscriptions.invariants import check_invariants

LATER = NOW + timedelta(seconds=10)


def held() -> list[str]:
    """Return the subjects of the preload claims in order."""
    claims = Claim.objects.filter(kind=ClaimKind.PRELOAD).select_related("instrument").order_by("pk")
    return [claim.instrument.token if claim.instrument else f"{claim.series} x{claim.width}" for claim in claims]


def test_a_pass_claims_the_listed_targets_of_the_rules(listing: Listing) -> None:
    report = services.preload_tier_b(now=NOW)

    assert held() == [
        "NIFTY 17 Feb 2026 x21",
        "NIFTY 24 Feb 2026 x21",
        "CRUDEOIL 17 Feb 2026 x21",
        "CRUDEOIL_19FEB2026_FUT",
        "CRUDEOIL_19MAR2026_FUT",
    ]
    assert (report.wanted, report.claimed, report.released, report.waiting) == (5, 5, 0, ())
    # NIFTY: 2 x 42 legs and the index. CRUDEOIL: 42 legs, the nearest future as their spot, and the next future.
    assert count_subscribed() == 84 + 1 + 42 + 2
    assert set(Subscription.objects.values_list("tier", flat=True)) == {"B"}
    assert list_loads() == [26, 26, 26, 26, 25]
    check_invariants()


@pytest.fixture
def broker(settings: Settings) -> Iterator[Broker]:
    with running_broker() as broker:
        settings.DHAN_REST_URL = broker.url
        settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = "1000000001", "token"
        settings.DHAN_QUOTE_INTERVAL_MS = 1
        yield broker


def test_one_odd_price_of_the_broker_holds_back_its_own_chains_only(listing: Listing, broker: Broker) -> None:
    nifty, crude = listing.spots["NIFTY"], listing.spots["CRUDEOIL"]
    drop_prices([nifty.pk, crude.pk])
    prices = {"IDX_I": {str(nifty.security_id): None}, "MCX_COMM": {str(crude.security_id): {"last_price": 5_810}}}
    broker.answer(200, {"data": prices, "status": "success"})

    report = services.preload_tier_b(now=NOW)

    assert held() == ["CRUDEOIL 17 Feb 2026 x21", "CRUDEOIL_19FEB2026_FUT", "CRUDEOIL_19MAR2026_FUT"]
    assert report.waiting == ("NIFTY 17 Feb 2026 x21: no price", "NIFTY 24 Feb 2026 x21: no price")


def test_a_price_that_the_broker_does_not_give_is_requested_less_and_less_often(
    listing: Listing, broker: Broker
) -> None:
    nifty = listing.spots["NIFTY"]
    drop_prices([nifty.pk])
    broker.answer(200, {"data": {"IDX_I": {str(nifty.security_id): None}}, "status": "success"})

    for seconds in range(0, 600, 10):
        services.preload_tier_b(now=NOW + timedelta(seconds=seconds))

    assert len(broker.requests) == 6
    broker.answer(200, {"data": {"IDX_I": {str(nifty.security_id): {"last_price": 25_010}}}, "status": "success"})
    services.preload_tier_b(now=NOW + timedelta(seconds=630))
    assert "NIFTY 17 Feb 2026 x21" in held()
    assert rest_board.connect().list_price_waits([nifty.pk]) == {}


def test_prices_whose_request_failed_as_a_whole_are_requested_in_halves(listing: Listing, broker: Broker) -> None:
    drop_prices([listing.spots["NIFTY"].pk, listing.spots["CRUDEOIL"].pk])
    broker.answer(400, {"errorCode": "DH-905", "errorMessage": "bad values"})

    for seconds in (0, 10, 20):
        services.preload_tier_b(now=NOW + timedelta(seconds=seconds))

    assert [sum(len(ids) for ids in body.values()) for _, body in broker.requests] == [2, 1, 1]
    assert broker.requests[1] != broker.requests[2]


def test_a_second_pass_writes_nothing(listing: Listing, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    services.preload_tier_b(now=NOW)
    rows = SubscriptionLog.objects.count()

    with django_assert_num_queries(6):
        report = services.preload_tier_b(now=LATER)

    assert (report.claimed, report.subscribed, report.released) == (0, 0, 0)
    assert SubscriptionLog.objects.count() == rows


def test_a_pass_without_changes_needs_the_same_number_of_queries_at_any_size(
    listing: Listing, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for weeks in range(8):
        make_series(listing.spots["NIFTY"], expiry=date(2026, 4, 7) + timedelta(weeks=weeks))
    services.preload_tier_b(now=NOW)
    assert len(held()) > 10

    with django_assert_num_queries(6):
        services.preload_tier_b(now=LATER)


def test_every_claim_of_a_pass_has_a_row_in_the_log(listing: Listing) -> None:
    services.preload_tier_b(now=NOW)

    rows = SubscriptionLog.objects.all()
    assert {(row.action, row.reason, row.actor, row.tier) for row in rows} == {("subscribe", "PRELOAD", "preload", "B")}
    assert sorted(row.subject for row in rows) == sorted([*held(), "NIFTY", "CRUDEOIL_19FEB2026_FUT"])
    assert sum(row.counts["subscribed"] for row in rows) == count_subscribed()


def test_a_series_without_a_price_gets_its_spot_first_and_its_legs_with_the_price(listing: Listing) -> None:
    drop_prices([listing.spots["NIFTY"].pk])

    report = services.preload_tier_b(now=NOW)

    assert report.waiting == ("NIFTY 17 Feb 2026 x21: no price", "NIFTY 24 Feb 2026 x21: no price")
    assert Subscription.objects.get(instrument=listing.spots["NIFTY"]).tier == Tier.B
    assert [rule.waiting for rule in selectors.list_rule_states() if rule.waiting] == [
        ("NIFTY 17 Feb 2026 x21", "NIFTY 24 Feb 2026 x21")
    ]
    check_invariants()

    rows = SubscriptionLog.objects.count()
    assert services.preload_tier_b(now=LATER).waiting == report.waiting
    assert SubscriptionLog.objects.count() == rows

    put_prices({listing.spots["NIFTY"].pk: 25_010.0})
    assert services.preload_tier_b(now=LATER).waiting == ()
    assert not any(rule.waiting for rule in selectors.list_rule_states())
    assert count_subscribed() == 129
    check_invariants()


def test_the_spot_of_a_series_that_expires_while_it_waits_is_released(listing: Listing, settings: Settings) -> None:
    drop_prices([listing.spots["NIFTY"].pk])
    services.preload_tier_b(now=NOW)

    settings.MARKET_DATE = date(2026, 2, 25)
    services.preload_tier_b(now=LATER)

    assert not Claim.objects.filter(instrument=listing.spots["NIFTY"]).exists()
    check_invariants()


def test_an_expired_series_is_released_and_replaced_by_the_next(listing: Listing, settings: Settings) -> None:
    make_series(listing.spots["NIFTY"], expiry=date(2026, 3, 10))
    PreloadRule.objects.filter(underlying_symbol="NIFTY").update(weekly=1, monthly=0, quarterly=0)
    services.preload_tier_b(now=NOW)
    assert held()[0] == "NIFTY 17 Feb 2026 x21"
    make_series(listing.spots["NIFTY"], expiry=date(2026, 3, 3))

    settings.MARKET_DATE = date(2026, 2, 18)
    report = services.preload_tier_b(now=LATER)

    assert report.released == 2  # the weekly, and the options of CRUDEOIL
    assert held() == ["CRUDEOIL_19FEB2026_FUT", "CRUDEOIL_19MAR2026_FUT", "NIFTY 03 Mar 2026 x21"]
    ended = SubscriptionLog.objects.filter(action="unsubscribe").order_by("pk").first()
    assert ended is not None
    assert (ended.subject, ended.reason) == ("NIFTY 17 Feb 2026 x21", "PRELOAD_ENDED")
    check_invariants()


def test_an_inactive_rule_releases_its_claims_and_its_spot(listing: Listing) -> None:
    services.preload_tier_b(now=NOW)

    PreloadRule.objects.filter(underlying_symbol="NIFTY").update(is_active=False)
    services.preload_tier_b(now=LATER)

    assert held() == ["CRUDEOIL 17 Feb 2026 x21", "CRUDEOIL_19FEB2026_FUT", "CRUDEOIL_19MAR2026_FUT"]
    assert count_subscribed() == 44
    check_invariants()


def test_a_widened_rule_moves_no_existing_subscription(listing: Listing) -> None:
    services.preload_tier_b(now=NOW)
    before = dict(Subscription.objects.values_list("instrument_id", "connection_id"))

    PreloadRule.objects.filter(underlying_symbol="NIFTY").update(strikes=31)
    services.preload_tier_b(now=LATER)

    after = dict(Subscription.objects.values_list("instrument_id", "connection_id"))
    assert len(after) == len(before) + 40
    assert {one: after[one] for one in before} == before
    assert SubscriptionLog.objects.filter(subject="NIFTY").count() == 1  # the spot was not released in between
    check_invariants()


def test_a_chain_of_a_trader_with_the_same_window_is_shared_and_becomes_tier_b(listing: Listing) -> None:
    claim_chain(listing.series_of("NIFTY"), user_id=make_user().pk, width=21)
    services.preload_tier_b(now=NOW)

    assert Subscription.objects.filter(tier=Tier.A).count() == 0
    assert count_subscribed() == 129
    check_invariants()


def test_rules_without_room_claim_whole_series_in_order_and_report_the_waiting_ones(listing: Listing) -> None:
    FeedConnection.objects.update(capacity=20)

    report = services.preload_tier_b(now=NOW)

    # 100 slots: two chains of 42 legs, the index, and the futures of CRUDEOIL without its chain.
    assert held() == [
        "NIFTY 17 Feb 2026 x21",
        "NIFTY 24 Feb 2026 x21",
        "CRUDEOIL_19FEB2026_FUT",
        "CRUDEOIL_19MAR2026_FUT",
    ]
    assert report.waiting == ("CRUDEOIL 17 Feb 2026 x21: no room",)
    crude = next(rule for rule in selectors.list_rule_states() if rule.waiting)
    assert (crude.rule, crude.waiting) == ("CRUDEOIL (MCX_COMM)", ("CRUDEOIL 17 Feb 2026 x21: no room",))
    assert (crude.has_room, count_subscribed()) == (False, 87)
    check_invariants()


def test_waiting_targets_are_retried_without_log_rows_until_there_is_room(listing: Listing) -> None:
    FeedConnection.objects.update(capacity=20)
    services.preload_tier_b(now=NOW)
    rows = SubscriptionLog.objects.count()

    again = services.preload_tier_b(now=LATER)

    assert (again.claimed, again.released, len(again.waiting)) == (0, 0, 1)
    assert SubscriptionLog.objects.count() == rows
    FeedConnection.objects.update(capacity=5_000)
    assert services.preload_tier_b(now=LATER).waiting == ()
    assert not any(rule.waiting for rule in selectors.list_rule_states())
    check_invariants()


def test_preload_evicts_tier_a_when_that_frees_enough(listing: Listing) -> None:
    claim_chain(listing.series_of("RELIANCE"), user_id=make_user().pk)
    FeedConnection.objects.update(capacity=26)  # 130 slots, of which the rules need 129

    report = services.preload_tier_b(now=LATER)

    assert report.waiting == ()
    assert set(Subscription.objects.values_list("tier", flat=True)) == {"B"}
    check_invariants()


def test_a_chain_whose_wider_window_finds_no_room_leaves_no_legs(listing: Listing) -> None:
    services.preload_tier_b(now=NOW)
    FeedConnection.objects.update(capacity=26)
    PreloadRule.objects.filter(underlying_symbol="NIFTY").update(strikes=101)

    report = services.preload_tier_b(now=LATER)

    assert [one.rpartition(": ")[2] for one in report.waiting] == ["no room", "no room"]
    assert held()[0] == "CRUDEOIL 17 Feb 2026 x21"
    check_invariants()


def test_rules_of_another_profile_are_ignored(listing: Listing, settings: Settings) -> None:
    settings.PRELOAD_PROFILE = "mine"

    assert services.preload_tier_b(now=NOW).wanted == 0


def test_a_pass_runs_fewer_than_40_statements_under_the_lock(listing: Listing) -> None:
    for weeks in range(8):
        make_series(listing.spots["NIFTY"], expiry=date(2026, 4, 7) + timedelta(weeks=weeks))
    with CaptureQueriesContext(connection) as queries:
        services.preload_tier_b(now=NOW)
    under_lock = [query["sql"] for query in queries.captured_queries]
    start = next(number for number, sql in enumerate(under_lock) if "pg_advisory_xact_lock" in sql)

    assert len(held()) > 10
    assert len(under_lock) - start < 40


def test_2272_instruments_are_spread_evenly(listing: Listing) -> None:
    PreloadRule.objects.filter(underlying_symbol="NIFTY").update(weekly=60, monthly=20)
    PreloadRule.objects.exclude(underlying_symbol="NIFTY").update(is_active=False)
    for weeks in range(52):
        make_series(listing.spots["NIFTY"], expiry=date(2026, 3, 31) + timedelta(weeks=weeks), strikes=21)
    PreloadRule.objects.filter(underlying_symbol="NIFTY").update(strikes=21)
    # 54 expiries of 42 legs, the index, and three futures of GOLD.
    gold = PreloadRule.objects.filter(profile="lean", underlying_symbol="GOLD")
    gold.update(is_active=True, futures=3)
    for month in (3, 4, 6):
        make_future("GOLD", expiry=date(2026, month, 5))

    report = services.preload_tier_b(now=NOW)

    assert report.waiting == ()
    assert count_subscribed() == 2_272
    assert list_loads() == [455, 455, 454, 454, 454]
    check_invariants()
