"""Access to every watchlist route: anonymous, the owner, another trader and staff."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from tests.factories import NOW, add_to_watchlist, make_user
from tests.integration.watchlists.conftest import client_of
from watchlists.models import EntryKind, WatchlistEntry

TCS = {"symbol": "TCS", "instrument_type": "EQUITY"}

Call = Callable[[APIClient, User, WatchlistEntry], Any]

CALLS: dict[str, Call] = {
    "add, by id": lambda client, asha, _entry: client.post("/api/v2/watchlist/add", {**TCS, "user_id": asha.pk}),
    "add, by name": lambda client, _asha, _entry: client.post("/api/v2/watchlist/add", {**TCS, "user_id": "asha"}),
    "remove, by entry": lambda client, _asha, entry: client.post("/api/v2/watchlist/remove", {"entry_id": entry.pk}),
    "remove, by id": lambda client, asha, entry: client.post(
        "/api/v2/watchlist/remove", {"entry_id": entry.pk, "user_id": asha.pk}
    ),
    "remove, by fields": lambda client, _asha, _entry: client.post(
        "/api/v2/watchlist/remove", {"symbol": "RELIANCE", "instrument_type": "EQUITY", "user_id": "asha"}
    ),
    "keep": lambda client, _asha, entry: client.post("/api/v2/watchlist/keep", {"entry_id": entry.pk, "keep": True}),
    "move": lambda client, _asha, entry: client.post("/api/v2/watchlist/move", {"entry_id": entry.pk, "before": None}),
    "move, to a list": lambda client, _asha, entry: client.post(
        "/api/v2/watchlist/move", {"entry_id": entry.pk, "before": None, "list": "Main"}
    ),
    "lists": lambda client, asha, _entry: client.post("/api/v2/watchlist/lists", {"name": "Banks", "user_id": asha.pk}),
    "rename a list": lambda client, _asha, _entry: client.post(
        "/api/v2/watchlist/lists/rename", {"list": "Main", "name": "Core", "user_id": "asha"}
    ),
    "read, by id": lambda client, asha, _entry: client.get(f"/api/v2/watchlist/{asha.pk}"),
    "read, by name": lambda client, _asha, _entry: client.get("/api/v2/watchlist/asha"),
    "subscribe": lambda client, asha, _entry: client.post(
        "/api/v2/option-chain/subscribe", {"symbol": "TCS", "user_id": asha.pk}
    ),
}


@pytest.fixture
def entry(asha: User) -> WatchlistEntry:
    return add_to_watchlist(asha, "RELIANCE", EntryKind.EQUITY, now=NOW).entry


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_owner_is_accepted(asha: User, entry: WatchlistEntry, call: Call) -> None:
    assert call(client_of(asha), asha, entry).status_code in {200, 201}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_all_other_users_are_refused_and_nothing_changes(
    asha: User, vikram: User, entry: WatchlistEntry, call: Call
) -> None:
    staff = make_user("staff", is_staff=True)

    assert call(APIClient(), asha, entry).status_code == 401
    assert call(client_of(vikram), asha, entry).status_code == 404
    assert call(client_of(staff), asha, entry).status_code == 404
    assert list(WatchlistEntry.objects.values_list("pk", "user_id")) == [(entry.pk, asha.pk)]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_unknown_trader_is_answered_like_another_trader(
    asha: User, vikram: User, entry: WatchlistEntry, call: Call
) -> None:
    absent = User(pk=999_999, username="nobody")
    missing = WatchlistEntry(pk=999_999)

    other = call(client_of(vikram), asha, entry)
    unknown = call(client_of(vikram), absent, missing)

    assert (unknown.status_code, unknown.json()["code"]) == (other.status_code, other.json()["code"])


@pytest.mark.parametrize(
    "path",
    [
        "/api/v2/watchlist/add",
        "/api/v2/watchlist/keep",
        "/api/v2/watchlist/lists",
        "/api/v2/watchlist/lists/delete",
        "/api/v2/watchlist/lists/rename",
        "/api/v2/watchlist/move",
        "/api/v2/watchlist/remove",
        "/api/v2/option-chain/subscribe",
    ],
)
def test_a_login_session_needs_its_csrf_token_to_write(asha: User, path: str) -> None:
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(asha)

    answer = browser.post(path, TCS)

    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert not WatchlistEntry.objects.exists()


def test_a_token_needs_no_csrf_token(asha: User) -> None:
    login = {"username": "asha", "password": "a long password"}
    token = APIClient().post("/api/v2/auth/token", login).json()["token"]
    integrator = APIClient(enforce_csrf_checks=True)
    integrator.credentials(HTTP_AUTHORIZATION=f"Token {token}")

    assert integrator.post("/api/v2/watchlist/add", TCS).status_code == 201


def test_undocumented_fields_are_ignored(asha: User, vikram: User) -> None:
    body = {**TCS, "user": vikram.pk, "claim": 1, "position": 7, "list_name": "Stolen"}

    client_of(asha).post("/api/v2/watchlist/add", body)

    entry = WatchlistEntry.objects.get()
    assert (entry.user_id, entry.keep, entry.position, entry.list_name) == (asha.pk, False, 0, "Main")
