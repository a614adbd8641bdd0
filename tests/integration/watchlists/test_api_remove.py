"""Removing from a watchlist through the API."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from subscriptions.models import Claim, Subscription, SubscriptionLog
from subscriptions.services import release_claim
from tests.factories import NOW
from watchlists.models import WatchlistEntry

ADD = "/api/v2/watchlist/add"
REMOVE = "/api/v2/watchlist/remove"
RELIANCE = {"symbol": "RELIANCE", "expiry": "24FEB2026", "instrument_type": "STOCK_OPTION"}
NIFTY = {"symbol": "NIFTY", "instrument_type": "INDEX_OPTION"}


def added(client: APIClient, body: dict[str, Any]) -> int:
    answer = client.post(ADD, body)
    assert answer.status_code == 201, answer.content
    entry_id: int = answer.json()["entry"]["id"]
    return entry_id


def test_a_removed_entry_releases_its_claim_and_its_subscriptions(client_of_asha: APIClient) -> None:
    entry_id = added(client_of_asha, RELIANCE)

    answer = client_of_asha.post(REMOVE, {"entry_id": entry_id})

    assert answer.status_code == 200
    assert answer.json()["entry"]["id"] == entry_id
    assert (answer.json()["released"], answer.json()["kept"]) == (50, 0)
    assert not WatchlistEntry.objects.exists()
    assert not Claim.objects.exists()
    assert not Subscription.objects.exists()
    logged = SubscriptionLog.objects.get(action="unsubscribe", subject="RELIANCE 24 Feb 2026 x25")
    assert (logged.actor, logged.reason) == ("asha", "WATCHLIST_REMOVE")


def test_instruments_that_another_trader_holds_keep_streaming(
    client_of_asha: APIClient, client_of_vikram: APIClient
) -> None:
    entry_id = added(client_of_asha, RELIANCE)
    added(client_of_vikram, RELIANCE)

    answer = client_of_asha.post(REMOVE, {"entry_id": entry_id}).json()

    assert (answer["released"], answer["kept"]) == (0, 50)
    assert Subscription.objects.count() == 51


@pytest.mark.parametrize(
    "named",
    [
        RELIANCE,
        {"symbol": "reliance", "instrument_type": "STOCK_OPTION", "user_id": "me"},
        {"symbol": "NSE:RELIANCE", "expiry": "2026-02-24", "instrument_type": "STOCK_OPTION"},
        {"symbol": "RELIANCE", "exchange": "NSE", "instrument_type": "STOCK_OPTION"},
    ],
)
def test_an_entry_can_be_removed_by_the_fields_of_its_addition(
    client_of_asha: APIClient, named: dict[str, Any]
) -> None:
    added(client_of_asha, RELIANCE)

    assert client_of_asha.post(REMOVE, named).status_code == 200
    assert not WatchlistEntry.objects.exists()


def test_fields_that_match_two_entries_remove_neither(client_of_asha: APIClient) -> None:
    added(client_of_asha, {**NIFTY, "expiry": "17FEB2026"})
    added(client_of_asha, {**NIFTY, "expiry": "24FEB2026"})

    answer = client_of_asha.post(REMOVE, NIFTY)

    assert (answer.status_code, answer.json()["code"]) == (409, "ambiguous_entry")
    assert answer.json()["expiries"] == ["2026-02-17", "2026-02-24"]
    assert WatchlistEntry.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"entry_id": 999_999}, 404, "unknown_entry"),
        ({"entry_id": 2**63}, 400, "invalid"),
        ({"entry_id": "one"}, 400, "invalid"),
        ({}, 400, "invalid"),
        ({"symbol": "RELIANCE"}, 400, "invalid"),
        ({"entry_id": 1, "symbol": "RELIANCE", "instrument_type": "EQUITY"}, 400, "invalid"),
        ({**RELIANCE, "expiry": "17FEB2026"}, 404, "unknown_entry"),
        ({**RELIANCE, "exchange": "BSE"}, 404, "unknown_entry"),
        ({**RELIANCE, "expiry": "soon"}, 400, "malformed_date"),
    ],
)
def test_a_removal_without_a_match_removes_nothing(
    client_of_asha: APIClient, body: dict[str, Any], status: int, code: str
) -> None:
    added(client_of_asha, RELIANCE)

    answer = client_of_asha.post(REMOVE, body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert WatchlistEntry.objects.count() == 1
    assert Subscription.objects.count() == 51


def test_an_entry_of_another_trader_is_not_found_and_not_removed(
    client_of_asha: APIClient, client_of_vikram: APIClient
) -> None:
    entry_id = added(client_of_asha, RELIANCE)

    answer = client_of_vikram.post(REMOVE, {"entry_id": entry_id})

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_entry")
    assert WatchlistEntry.objects.get(pk=entry_id).claim_id is not None


def test_an_entry_without_a_claim_can_be_removed(client_of_asha: APIClient, asha: User) -> None:
    entry_id = added(client_of_asha, RELIANCE)
    claim_id = WatchlistEntry.objects.get(pk=entry_id).claim_id
    assert claim_id is not None
    release_claim(claim_id=claim_id, actor="staff", reason="BY_HAND", now=NOW)

    answer = client_of_asha.post(REMOVE, {"entry_id": entry_id})

    assert (answer.status_code, answer.json()["released"]) == (200, 0)
    assert not WatchlistEntry.objects.filter(user=asha).exists()
