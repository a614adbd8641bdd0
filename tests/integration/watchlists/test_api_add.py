"""Adding to a watchlist through the API: responses, written rows and refusals."""

from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings
from rest_framework.test import APIClient

from accounts.models import User
from subscriptions import services as subscriptions
from subscriptions.models import Claim, FeedConnection, Subscription, SubscriptionLog
from tests.factories import Listing, drop_prices
from watchlists.models import WatchlistEntry

ADD = "/api/v2/watchlist/add"
RELIANCE = {"symbol": "RELIANCE", "expiry": "24FEB2026", "instrument_type": "STOCK_OPTION"}


def nothing_is_written() -> bool:
    tables = (WatchlistEntry, Claim, Subscription, SubscriptionLog)
    return not any(table._default_manager.exists() for table in tables)


def test_a_stock_chain_is_added_with_its_fifty_legs(client_of_asha: APIClient, asha: User, listing: Listing) -> None:
    answer = client_of_asha.post(ADD, RELIANCE)

    assert answer.status_code == 201
    body = answer.json()
    entry = WatchlistEntry.objects.get()
    added_at = body["entry"].pop("added_at")
    assert added_at.endswith("Z")
    assert body == {
        "entry": {
            "id": entry.pk,
            "list": "Main",
            "position": 0,
            "instrument_type": "STOCK_OPTION",
            "symbol": "RELIANCE",
            "exchange": "NSE",
            "expiry": "2026-02-24",
            "expiry_display": "24FEB2026",
            "strike": None,
            "option_type": None,
            "instrument_id": None,
            "keep": False,
        },
        "chain": {
            "width": 25,
            "atm": 2600.0,
            "strike_step": 20.0,
            "lowest_strike": 2360.0,
            "highest_strike": 2840.0,
            "underlying_ltp": 2604.0,
            "spot_instrument_id": listing.spots["RELIANCE"].pk,
        },
        "legs": 50,
        "subscribed": 50,
        "shared": 0,
        "evicted": [],
        "message": "Added RELIANCE 24 Feb",
        "connections": {"1": 10, "2": 10, "3": 10, "4": 10, "5": 10},
    }
    assert (entry.user_id, entry.claim_id) == (asha.pk, Claim.objects.get(kind="watchlist").pk)
    logged = SubscriptionLog.objects.get(subject="RELIANCE 24 Feb 2026 x25")
    assert (logged.actor, logged.reason) == ("asha", "WATCHLIST_ADD")


@pytest.mark.parametrize(
    "body",
    [
        {"symbol": "NIFTY50", "expiry": "2026-02-17", "instrument_type": "INDEX_OPTION"},
        {"symbol": " nifty ", "expiry": "17feb2026", "instrument_type": "INDEX_OPTION", "exchange": "NSE"},
        {"symbol": "NIFTY 50", "expiry": "", "instrument_type": "INDEX_OPTION", "user_id": "me", "exchange": None},
    ],
)
def test_names_and_dates_are_accepted_in_every_documented_form(client_of_asha: APIClient, body: dict[str, Any]) -> None:
    answer = client_of_asha.post(ADD, body).json()

    assert (answer["entry"]["symbol"], answer["entry"]["expiry"]) == ("NIFTY", "2026-02-17")
    assert (answer["legs"], answer["chain"]["atm"]) == (202, 25_000.0)


def test_a_second_trader_shares_existing_subscriptions(client_of_asha: APIClient, client_of_vikram: APIClient) -> None:
    client_of_asha.post(ADD, RELIANCE)

    answer = client_of_vikram.post(ADD, RELIANCE).json()

    assert (answer["legs"], answer["subscribed"], answer["shared"]) == (50, 0, 50)
    assert Subscription.objects.count() == 51


def test_an_equity_is_one_instrument(client_of_asha: APIClient, listing: Listing) -> None:
    answer = client_of_asha.post(ADD, {"symbol": "TCS", "instrument_type": "EQUITY"}).json()

    assert answer["entry"]["instrument_id"] == listing.spots["TCS"].pk
    assert (answer["chain"], answer["legs"], answer["connections"]) == (None, 1, {"1": 1})


def test_a_future_without_expiry_is_the_nearest(client_of_asha: APIClient, listing: Listing) -> None:
    answer = client_of_asha.post(ADD, {"symbol": "CRUDEOIL", "instrument_type": "FUTURE"}).json()

    assert answer["entry"]["instrument_id"] == listing.futures["CRUDEOIL"][0].pk
    assert answer["entry"]["expiry_display"] == "19FEB2026"
    assert answer["entry"]["exchange"] == "MCX"


def test_a_commodity_chain_centers_on_its_future(client_of_asha: APIClient) -> None:
    answer = client_of_asha.post(ADD, {"symbol": "CRUDEOIL", "instrument_type": "COMMODITY_OPTION"}).json()

    assert (answer["legs"], answer["chain"]["atm"]) == (50, 5_800.0)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({**RELIANCE, "symbol": "NOSUCH"}, 404, "unknown_symbol"),
        ({**RELIANCE, "symbol": "'; DROP TABLE watchlist; --"}, 404, "unknown_symbol"),
        ({**RELIANCE, "expiry": "27JAN2026"}, 400, "past_expiry"),
        ({**RELIANCE, "expiry": "2026-02-25"}, 404, "unknown_expiry"),
        ({**RELIANCE, "expiry": "24-02-2026"}, 400, "malformed_date"),
        ({**RELIANCE, "expiry": "31FEB2026"}, 400, "malformed_date"),
        ({**RELIANCE, "expiry": 20260224}, 400, "malformed_date"),
        ({**RELIANCE, "expiry": ["24FEB2026"]}, 400, "invalid"),
        ({**RELIANCE, "exchange": "BSE"}, 404, "unknown_symbol"),
        ({**RELIANCE, "exchange": "LSE"}, 400, "invalid"),
        ({**RELIANCE, "instrument_type": "INDEX_OPTION"}, 400, "wrong_instrument_type"),
        ({**RELIANCE, "instrument_type": "COMMODITY_OPTION"}, 400, "wrong_instrument_type"),
        ({"symbol": "NIFTY", "instrument_type": "EQUITY"}, 400, "wrong_instrument_type"),
        ({**RELIANCE, "instrument_type": "EQUITY"}, 400, "wrong_instrument_type"),
        ({**RELIANCE, "instrument_type": "SWAP"}, 400, "invalid"),
        ({"symbol": "RELIANCE", "instrument_type": "FUTURE"}, 404, "unknown_expiry"),
        ({"instrument_type": "EQUITY"}, 400, "invalid"),
        ({**RELIANCE, "symbol": "x" * 65}, 400, "invalid"),
        ({**RELIANCE, "symbol": "REL\x00"}, 400, "invalid"),
        ({**RELIANCE, "underlying_ltp": "NaN"}, 400, "invalid"),
        ({**RELIANCE, "underlying_ltp": -1}, 400, "invalid"),
        ([1, 2], 400, "invalid"),
    ],
)
def test_a_refusal_writes_nothing(client_of_asha: APIClient, body: Any, status: int, code: str) -> None:
    answer = client_of_asha.post(ADD, body)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert nothing_is_written()


def test_the_error_for_a_wrong_instrument_type_names_the_right_one(client_of_asha: APIClient) -> None:
    answer = client_of_asha.post(ADD, {**RELIANCE, "instrument_type": "INDEX_OPTION"}).json()

    assert answer["detail"] == "RELIANCE is a stock: its options are STOCK_OPTION, not INDEX_OPTION."


def test_adding_an_entry_twice_is_a_conflict_that_changes_nothing(client_of_asha: APIClient) -> None:
    client_of_asha.post(ADD, RELIANCE)
    before = (Claim.objects.count(), Subscription.objects.count(), SubscriptionLog.objects.count())

    answer = client_of_asha.post(ADD, {**RELIANCE, "expiry": "2026-02-24"})

    assert (answer.status_code, answer.json()["code"]) == (409, "duplicate_entry")
    assert answer.json()["detail"] == "RELIANCE 24FEB2026 is on your list already."
    assert WatchlistEntry.objects.count() == 1
    assert (Claim.objects.count(), Subscription.objects.count(), SubscriptionLog.objects.count()) == before


def test_a_duplicate_is_reported_before_a_lack_of_quota_or_capacity(
    client_of_asha: APIClient, settings: Settings
) -> None:
    client_of_asha.post(ADD, RELIANCE)
    settings.INSTRUMENT_QUOTA = 50
    FeedConnection.objects.update(capacity=F("load"))

    answer = client_of_asha.post(ADD, RELIANCE)

    assert (answer.status_code, answer.json()["code"]) == (409, "duplicate_entry")
    assert Claim.objects.filter(kind="watchlist").count() == 1


def test_a_chain_without_any_price_is_refused(client_of_asha: APIClient, listing: Listing) -> None:
    drop_prices([listing.spots["RELIANCE"].pk])

    answer = client_of_asha.post(ADD, RELIANCE)

    assert (answer.status_code, answer.json()["code"]) == (409, "no_price")
    assert answer.json()["detail"].startswith("no price for RELIANCE")
    assert nothing_is_written()


@pytest.mark.parametrize("name", ["underlying_ltp", "ltp"])
def test_the_price_of_the_caller_is_used_without_another_price(
    client_of_asha: APIClient, listing: Listing, name: str
) -> None:
    drop_prices([listing.spots["RELIANCE"].pk])

    answer = client_of_asha.post(ADD, {**RELIANCE, name: 2_471.5})

    assert answer.status_code == 201
    assert answer.json()["chain"]["atm"] == 2_480.0


def test_a_live_price_is_preferred_to_the_price_of_the_caller(client_of_asha: APIClient) -> None:
    answer = client_of_asha.post(ADD, {**RELIANCE, "underlying_ltp": 1}).json()

    assert answer["chain"]["underlying_ltp"] == 2604.0


def test_a_chain_without_room_is_refused_with_numbers(client_of_asha: APIClient) -> None:
    FeedConnection.objects.update(capacity=10)

    answer = client_of_asha.post(ADD, RELIANCE)

    assert (answer.status_code, answer.json()["code"]) == (409, "capacity")
    assert (answer.json()["needed"], answer.json()["free"]) == (51, 50)
    assert nothing_is_written()


@pytest.mark.parametrize("named", ["me", "asha"])
def test_the_user_id_of_the_caller_is_accepted(client_of_asha: APIClient, named: str) -> None:
    assert client_of_asha.post(ADD, {**RELIANCE, "user_id": named}).status_code == 201


def test_a_numeric_user_id_is_accepted(client_of_asha: APIClient, asha: User) -> None:
    assert client_of_asha.post(ADD, {**RELIANCE, "user_id": asha.pk}).status_code == 201


def test_entries_are_listed_in_the_order_of_their_addition(client_of_asha: APIClient, asha: User) -> None:
    for symbol in ("TCS", "RELIANCE"):
        client_of_asha.post(ADD, {"symbol": symbol, "instrument_type": "EQUITY"})

    positions = WatchlistEntry.objects.filter(user=asha).values_list("underlying_symbol", "position")
    assert dict(positions) == {"TCS": 0, "RELIANCE": 1}


def test_an_entry_is_added_although_its_notice_cannot_be_delivered(
    client_of_asha: APIClient,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    backend = "channels_redis.pubsub.RedisPubSubChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": ["redis://127.0.0.1:1/0"]}}}

    with django_capture_on_commit_callbacks(execute=True):
        answer = client_of_asha.post(ADD, RELIANCE)

    assert answer.status_code == 201
    assert WatchlistEntry.objects.exists()


def test_the_browsable_api_shows_a_form_with_the_fields(client_of_asha: APIClient) -> None:
    answer = client_of_asha.get(ADD, headers={"Accept": "text/html"})

    assert answer["Content-Type"].startswith("text/html")
    assert b"underlying_ltp" in answer.content


@pytest.fixture
def evicted(client_of_asha: APIClient) -> WatchlistEntry:
    """Return an entry of asha whose chain claim staff evicted."""
    client_of_asha.post(ADD, RELIANCE)
    entry = WatchlistEntry.objects.get()
    assert entry.claim is not None
    subscriptions.evict_chains(claim_ids=[entry.claim.pk], actor="staff", reason="because", now=timezone.now())
    return entry


def test_an_evicted_entry_stays_and_is_claimed_again_when_it_is_added(
    client_of_asha: APIClient, evicted: WatchlistEntry
) -> None:
    assert [one["state"] for one in client_of_asha.get("/api/v2/watchlist/me").json()["entries"]] == ["evicted"]

    again = client_of_asha.post(ADD, RELIANCE)

    assert (again.status_code, again.json()["entry"]["id"], again.json()["subscribed"]) == (200, evicted.pk, 50)
    assert WatchlistEntry.objects.get().claim == Claim.objects.get(kind="watchlist")
    assert client_of_asha.post(ADD, RELIANCE).json()["code"] == "duplicate_entry"


def test_an_evicted_equity_is_claimed_again_when_it_is_added(client_of_asha: APIClient) -> None:
    body = {"symbol": "TCS", "instrument_type": "EQUITY"}
    client_of_asha.post(ADD, body)
    claim = Claim.objects.get()
    subscriptions.evict_chains(claim_ids=[claim.pk], actor="staff", reason="because", now=timezone.now())

    assert client_of_asha.post(ADD, body).status_code == 200
    assert Claim.objects.get().pk != claim.pk


def test_adding_an_evicted_entry_of_another_trader_creates_a_new_entry(
    client_of_vikram: APIClient, evicted: WatchlistEntry
) -> None:
    answer = client_of_vikram.post(ADD, RELIANCE)

    assert (answer.status_code, answer.json()["entry"]["id"] == evicted.pk) == (201, False)


def test_a_chain_can_be_narrower_than_the_default(client_of_asha: APIClient) -> None:
    answer = client_of_asha.post(ADD, {**RELIANCE, "strikes": 15})

    assert (answer.status_code, answer.json()["chain"]["width"], answer.json()["legs"]) == (201, 15, 30)


@pytest.mark.parametrize(
    ("strikes", "code"), [(27, "wrong_width"), (4, "wrong_width"), (0, "invalid"), ("x", "invalid")]
)
def test_a_width_over_the_default_or_an_even_width_is_refused(
    client_of_asha: APIClient, strikes: object, code: str
) -> None:
    answer = client_of_asha.post(ADD, {**RELIANCE, "strikes": strikes})

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert nothing_is_written()


def test_a_chain_over_the_quota_is_refused_and_the_offered_width_accepted(
    client_of_asha: APIClient, settings: Settings
) -> None:
    settings.INSTRUMENT_QUOTA = 32

    refused = client_of_asha.post(ADD, RELIANCE)

    assert (refused.status_code, refused.json()["code"]) == (409, "quota")
    detail = "This chain needs 50 more live instruments; you have 32 left. ±7 strikes would fit."
    assert refused.json()["detail"] == detail
    assert nothing_is_written()
    taken = client_of_asha.post(ADD, {**RELIANCE, "strikes": refused.json()["offer_strikes"]})
    assert (taken.status_code, taken.json()["legs"]) == (201, 30)


@pytest.mark.parametrize(
    ("symbol", "kind", "wanted"),
    [
        ("NSE:NIFTY50-INDEX", "INDEX_OPTION", ("NIFTY", "2026-02-17")),
        ("NIFTY26FEB25000CE", "INDEX_OPTION", ("NIFTY", "2026-02-24")),
        ("NIFTY2621725000CE", "INDEX_OPTION", ("NIFTY", "2026-02-17")),
        ("RELIANCE.NS", "EQUITY", ("RELIANCE", None)),
        ("NSE_EQ:2885", "EQUITY", ("RELIANCE", None)),
        ("RELIANCE-EQ", "STOCK_OPTION", ("RELIANCE", "2026-02-24")),
        ("RELIANCE-Feb2026-2600-CE", "STOCK_OPTION", ("RELIANCE", "2026-02-24")),
        ("CRUDEOIL26MARFUT", "FUTURE", ("CRUDEOIL", "2026-03-19")),
        ("CRUDEOIL2!", "FUTURE", ("CRUDEOIL", "2026-03-19")),
        ("crude oil", "COMMODITY_OPTION", ("CRUDEOIL", "2026-02-17")),
    ],
)
def test_an_entry_is_added_and_removed_by_a_symbol_of_another_platform(
    client_of_asha: APIClient, symbol: str, kind: str, wanted: tuple[str, str | None]
) -> None:
    body = {"symbol": symbol, "instrument_type": kind}
    entry = client_of_asha.post(ADD, body).json()["entry"]

    assert (entry["symbol"], entry["expiry"]) == wanted
    assert client_of_asha.post("/api/v2/watchlist/remove", body).json()["entry"]["id"] == entry["id"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"symbol": "NIFTY-Feb2026-25000-CE", "instrument_type": "INDEX_OPTION"}, 409, "ambiguous_symbol"),
        (
            {"symbol": "NIFTY26FEB25000CE", "instrument_type": "INDEX_OPTION", "expiry": "17FEB2026"},
            400,
            "contradictory_expiry",
        ),
        ({"symbol": "NIFTY2620325000CE", "instrument_type": "INDEX_OPTION"}, 404, "unknown_symbol"),
        ({"symbol": "RELIANCE26FEB2600CE", "instrument_type": "EQUITY"}, 400, "wrong_instrument_type"),
        ({"symbol": "relaince", "instrument_type": "EQUITY"}, 404, "unknown_symbol"),
    ],
)
def test_a_symbol_that_does_not_name_one_target_writes_nothing(
    client_of_asha: APIClient, body: dict[str, str], status: int, code: str
) -> None:
    answer = client_of_asha.post(ADD, body)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    assert nothing_is_written()


def test_the_expiry_selects_one_of_the_weeklies_that_share_a_trading_symbol(client_of_asha: APIClient) -> None:
    body = {"symbol": "NIFTY-Feb2026-25000-CE", "instrument_type": "INDEX_OPTION", "expiry": "17FEB2026"}

    assert client_of_asha.post(ADD, body).json()["entry"]["expiry"] == "2026-02-17"
