"""Explicit chain subscriptions through the API: a claim without a watchlist entry."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from subscriptions.models import Claim, Subscription
from tests.factories import Listing, drop_prices
from watchlists.models import WatchlistEntry

SUBSCRIBE = "/api/v2/option-chain/subscribe"


def test_an_index_chain_is_claimed_without_an_entry(client_of_asha: APIClient, listing: Listing) -> None:
    answer = client_of_asha.post(SUBSCRIBE, {"symbol": "NIFTY50", "expiry": "24FEB2026"})

    assert answer.status_code == 201
    claim = Claim.objects.get(kind="chain")
    assert answer.json() == {
        "claim_id": claim.pk,
        "symbol": "NIFTY",
        "exchange": "NSE",
        "expiry": "2026-02-24",
        "expiry_display": "24FEB2026",
        "atm": 25000.0,
        "lowest_strike": 22500.0,
        "highest_strike": 27500.0,
        "spot_instrument_id": listing.spots["NIFTY"].pk,
        "legs": 202,
        "subscribed": 202,
        "shared": 0,
        "evicted": [],
        "message": "Added NIFTY 24 Feb",
        "connections": {"1": 40, "2": 41, "3": 41, "4": 40, "5": 40},
    }
    assert not WatchlistEntry.objects.exists()


def test_a_repeated_subscribe_changes_nothing(client_of_asha: APIClient) -> None:
    first = client_of_asha.post(SUBSCRIBE, {"symbol": "RELIANCE"}).json()
    second = client_of_asha.post(SUBSCRIBE, {"symbol": "RELIANCE"}).json()

    assert second["claim_id"] == first["claim_id"]
    assert (second["subscribed"], second["shared"]) == (0, 50)
    assert Subscription.objects.count() == 51


def test_the_width_can_be_chosen(client_of_asha: APIClient) -> None:
    assert client_of_asha.post(SUBSCRIBE, {"symbol": "RELIANCE", "strikes": 5}).json()["legs"] == 10


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"symbol": "NOSUCH"}, 404, "unknown_symbol"),
        ({"symbol": "RELIANCE", "expiry": "27JAN2026"}, 400, "past_expiry"),
        ({"symbol": "RELIANCE", "expiry": "x"}, 400, "malformed_date"),
        ({"symbol": "RELIANCE", "strikes": 102}, 400, "invalid"),
        ({"symbol": "RELIANCE", "strikes": 0}, 400, "invalid"),
        ({"symbol": "RELIANCE", "user_id": "vikram"}, 404, "not_found"),
        ({}, 400, "invalid"),
    ],
)
def test_a_refusal_claims_nothing(client_of_asha: APIClient, body: dict[str, Any], status: int, code: str) -> None:
    answer = client_of_asha.post(SUBSCRIBE, body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Claim.objects.exists()


def test_a_chain_without_any_price_is_refused(client_of_asha: APIClient, listing: Listing) -> None:
    drop_prices([listing.spots["RELIANCE"].pk])

    answer = client_of_asha.post(SUBSCRIBE, {"symbol": "RELIANCE"})

    assert (answer.status_code, answer.json()["code"]) == (409, "no_price")
    assert not Claim.objects.exists()


def test_the_callers_price_centers_the_chain(client_of_asha: APIClient, listing: Listing) -> None:
    drop_prices([listing.spots["RELIANCE"].pk])

    assert client_of_asha.post(SUBSCRIBE, {"symbol": "RELIANCE", "ltp": "2471.5"}).json()["atm"] == 2480.0


def test_a_chain_is_claimed_and_read_at_the_expiry_of_the_contract_that_names_it(client_of_asha: APIClient) -> None:
    claimed = client_of_asha.post(SUBSCRIBE, {"symbol": "NFO:NIFTY26FEB25000CE"}).json()
    read = client_of_asha.get("/api/v2/option-chain/NIFTY26FEB25000CE?strikes=3").json()
    nearest = client_of_asha.get("/api/v2/option-chain/NSE:NIFTY50-INDEX?strikes=3").json()

    assert [one["expiry"] for one in (claimed, read, nearest)] == ["2026-02-24", "2026-02-24", "2026-02-17"]


@pytest.mark.parametrize("symbol", ["^NSEI", "NIFTY-INDEX", "NIFTY24FEB2625000PE", "IDX_I:13"])
def test_expiries_are_read_by_any_name_of_the_underlying(client_of_asha: APIClient, symbol: str) -> None:
    answer = client_of_asha.get(f"/api/v2/instruments/{symbol}/expiries").json()

    assert (answer["symbol"], len(answer["expiries"])) == ("NIFTY", 2)
