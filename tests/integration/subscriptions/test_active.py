"""Active subscriptions over REST: filtered pages, and one subscription by token or key."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from marketdata.domain.instruments import ExchangeSegment
from subscriptions import selectors, services
from subscriptions.domain.claims import Tier
from subscriptions.models import FeedConnection, Subscription
from tests.factories import NOW, Listing, make_equity, make_user, put_prices
from tests.integration.subscriptions.claim_factories import claim_chain, claim_instrument, fill_with_shares

ACTIVE = "/api/v2/subscriptions/active"


@pytest.fixture
def trader(listing: Listing, client: Client) -> Client:
    client.force_login(make_user("asha"))
    return client


def read(client: Client, address: str = ACTIVE, **query: Any) -> Any:
    answer = client.get(address, query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_an_active_subscription_shows_its_connection_and_its_number_of_claims(listing: Listing, trader: Client) -> None:
    tcs = listing.spots["TCS"]
    claim_instrument(tcs.pk, user_id=make_user("vikram").pk)
    claim_instrument(tcs.pk, user_id=make_user("meera").pk)
    # The database's clock sets it.
    Subscription.objects.update(since=NOW)

    assert read(trader) == {
        "count": 1,
        "next": None,
        "results": [
            {
                "token": "TCS",
                "key": "NSE_EQ:11536",
                "instrument_id": tcs.pk,
                "underlying": "TCS",
                "exchange": "NSE",
                "tier": "A",
                "mode": "full",
                "connection": 1,
                "leaving_connection": None,
                "connection_state": "wanted",
                "since": "2026-02-10T04:30:00Z",
                "claims": 2,
            }
        ],
    }


def test_all_pages_list_each_row_once_although_rows_are_added_and_deleted(listing: Listing, trader: Client) -> None:
    chain = claim_chain(listing.series_of("RELIANCE"), user_id=make_user().pk)
    first = read(trader, limit=20)
    released = claim_instrument(listing.spots["TCS"].pk, user_id=make_user("vikram").pk, now=NOW + timedelta(seconds=1))
    services.release_claim(claim_id=released.claim_id, actor="vikram", reason="WATCHLIST_REMOVE", now=NOW)

    second = trader.get(first["next"]).json()
    third = trader.get(second["next"]).json()

    tokens = [one["token"] for page in (first, second, third) for one in page["results"]]
    assert (first["count"], [len(page["results"]) for page in (first, second, third)]) == (51, [20, 20, 11])
    assert len(set(tokens)) == chain.legs + 1
    assert third["next"] is None


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 180),
        ({"tier": "A"}, 51),
        ({"tier": "b"}, 129),
        ({"connection": 1}, 36),
        ({"connection": 5, "tier": "A"}, 11),
        ({"underlying": "reliance"}, 51),
        ({"underlying": "NSE:RELIANCE"}, 51),
        ({"underlying": "BSE:RELIANCE"}, 0),
        ({"underlying": "nifty 50"}, 85),
        ({"underlying": "NOSUCH"}, 0),
        ({"tier": "", "underlying": ""}, 180),
    ],
)
def test_filters_limit_the_listed_subscriptions(
    listing: Listing, trader: Client, query: dict[str, Any], count: int
) -> None:
    services.preload_tier_b(now=NOW)
    claim_chain(listing.series_of("RELIANCE"), user_id=make_user().pk)

    assert read(trader, **query)["count"] == count


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"tier": "C"}, "tier"),
        ({"connection": "6"}, "connection"),
        ({"connection": "one"}, "connection"),
        ({"limit": "201"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"cursor": "-1"}, "cursor"),
        ({"cursor": "9" * 30}, "cursor"),
        ({"underlying": "X" * 65}, "underlying"),
        ({"underlying": "\x00"}, "underlying"),
    ],
)
def test_an_invalid_filter_is_refused_with_its_name(trader: Client, query: dict[str, str], field: str) -> None:
    answer = trader.get(ACTIVE, query)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert list(answer.json()["errors"]) == [field]


@pytest.mark.parametrize("count", [3, 190])
def test_a_page_needs_the_same_number_of_queries_at_any_size(
    listing: Listing, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    fill_with_shares(count)

    with django_assert_num_queries(4):
        page = selectors.list_active(tier=Tier.A, connection=1, underlying=None, limit=200)

    assert page.count == len(page.rows) == FeedConnection.objects.get(number=1).load


@pytest.mark.parametrize(
    "name",
    [
        "RELIANCE_24FEB2026_2600CE",
        "reliance_24feb2026_2600ce",
        "NSE:RELIANCE_24FEB2026_2600CE",
        "RELIANCE_24FEB2026_2600.0CE",
        "NSE_FNO:{security_id}",
        "NSE_FO|{security_id}",
        "RELIANCE26FEB2600CE",
        "NSE:RELIANCE260224C2600",
    ],
)
def test_one_subscription_is_found_by_token_or_key(listing: Listing, trader: Client, name: str) -> None:
    claim_chain(listing.series_of("RELIANCE"), user_id=make_user().pk)
    leg = Subscription.objects.select_related("instrument").get(instrument__token="RELIANCE_24FEB2026_2600CE")
    put_prices({leg.instrument_id: 61.25})

    answer = read(trader, f"/api/v2/subscriptions/{name.format(security_id=leg.instrument.security_id)}")

    assert (answer["token"], answer["key"], answer["claims"], answer["claims_by_kind"]) == (
        "RELIANCE_24FEB2026_2600CE",
        f"NSE_FNO:{leg.instrument.security_id}",
        1,
        {"watchlist": 1},
    )
    assert (answer["quote"]["ltp"], answer["quote"]["oi"], answer["quote"]["source"]) == (61.25, None, "quote")


def test_claims_are_counted_by_kind_and_never_named_by_trader(listing: Listing, trader: Client) -> None:
    services.preload_tier_b(now=NOW)
    claim_chain(listing.series_of("NIFTY"), user_id=make_user("vikram").pk)

    answer = trader.get("/api/v2/subscriptions/NIFTY50_17FEB2026_25000CE")

    assert answer.json()["claims_by_kind"] == {"preload": 1, "watchlist": 1}
    assert (answer.json()["tier"], answer.json()["quote"]) == ("B", None)
    assert b"vikram" not in answer.content


def test_a_token_of_two_exchanges_means_the_first_exchange_unless_it_is_prefixed(
    listing: Listing, trader: Client
) -> None:
    share = make_equity("RELIANCE", security_id=500_325, segment=ExchangeSegment.BSE_EQ)
    claim_instrument(share.pk, user_id=make_user().pk)

    assert read(trader, "/api/v2/subscriptions/BSE:RELIANCE")["token"] == "BSE:RELIANCE"
    answer = trader.get("/api/v2/subscriptions/RELIANCE")
    assert (answer.status_code, answer.json()["code"], answer.json()["token"]) == (404, "not_subscribed", "RELIANCE")
    assert answer.json()["detail"] == "RELIANCE is listed, but not subscribed."


def test_an_unsubscribed_token_of_the_second_exchange_is_named_with_its_prefix(
    listing: Listing, trader: Client
) -> None:
    make_equity("RELIANCE", security_id=500_325, segment=ExchangeSegment.BSE_EQ)

    answer = trader.get("/api/v2/subscriptions/bse:reliance").json()

    assert (answer["token"], answer["detail"]) == (
        "BSE:RELIANCE",
        "BSE:RELIANCE is listed, but not subscribed.",
    )


@pytest.mark.parametrize(
    "name", ["NOSUCH", "NSE_FNO:999999999", "NSE_FNO:9999999999999999999", "NOWHERE:13", "%00", "_", "RELIANCE_FUT"]
)
def test_an_unlisted_instrument_is_answered_with_unknown_symbol(trader: Client, name: str) -> None:
    answer = trader.get(f"/api/v2/subscriptions/{name}")

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_symbol")


def test_an_anonymous_request_is_refused(client: Client, db: None) -> None:
    assert client.get(ACTIVE).status_code == 401
    assert client.get("/api/v2/subscriptions/NIFTY").status_code == 401
