"""Named lists through the API: creating, renaming, deleting, and moving an entry between them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from rest_framework.test import APIClient

from accounts.models import User
from subscriptions.models import Claim, Subscription, SubscriptionLog
from tests.factories import NOW, add_to_watchlist
from tests.integration.watchlists.conftest import client_of
from watchlists.models import MAX_LISTS, EntryKind, NamedList, WatchlistEntry
from watchlists.services import TooManyLists, create_list, delete_list

ADD = "/api/v2/watchlist/add"
LISTS = "/api/v2/watchlist/lists"
RENAME = "/api/v2/watchlist/lists/rename"
DELETE = "/api/v2/watchlist/lists/delete"
MOVE = "/api/v2/watchlist/move"
RELIANCE = {"symbol": "RELIANCE", "instrument_type": "EQUITY"}
TCS = {"symbol": "TCS", "instrument_type": "EQUITY"}


def read_lists(client: APIClient) -> dict[str, int]:
    return {one["name"]: one["entries"] for one in client.get(LISTS).json()["lists"]}


def read_entries(client: APIClient) -> list[tuple[str, str]]:
    """Return list and symbol of each entry, in the order of the answer."""
    return [(one["list"], one["symbol"]) for one in client.get("/api/v2/watchlist/me").json()["entries"]]


def make_lists(client: APIClient, *names: str) -> None:
    for name in names:
        assert client.post(LISTS, {"name": name}).status_code == 201


def test_a_trader_without_lists_has_one_which_a_read_does_not_write(client_of_asha: APIClient) -> None:
    assert read_lists(client_of_asha) == {"Main": 0}
    assert not NamedList.objects.exists()


def test_a_new_list_stands_behind_the_others_and_takes_entries(client_of_asha: APIClient) -> None:
    make_lists(client_of_asha, "Banks", "  Autos ")

    client_of_asha.post(ADD, {**TCS, "list": "Autos"})
    client_of_asha.post(ADD, {**TCS, "list": "Banks"})
    client_of_asha.post(ADD, RELIANCE)

    assert list(read_lists(client_of_asha).items()) == [("Main", 1), ("Banks", 1), ("Autos", 1)]
    assert read_entries(client_of_asha) == [("Main", "RELIANCE"), ("Banks", "TCS"), ("Autos", "TCS")]
    answer = client_of_asha.get("/api/v2/watchlist/me").json()
    assert [one["name"] for one in answer["lists"]] == ["Main", "Banks", "Autos"]
    assert answer["quota"] == {"quota": 5_000, "used": 2, "left": 4_998}


def test_an_item_on_two_lists_is_removed_from_the_one_that_is_named(client_of_asha: APIClient) -> None:
    make_lists(client_of_asha, "Banks")
    for name in ("Main", "Banks"):
        client_of_asha.post(ADD, {**TCS, "list": name})

    refused = client_of_asha.post("/api/v2/watchlist/remove", TCS)
    removed = client_of_asha.post("/api/v2/watchlist/remove", {**TCS, "list": "Banks"})

    assert (refused.status_code, refused.json()["code"]) == (409, "ambiguous_entry")
    assert refused.json()["detail"] == "Several entries match 'TCS'; give the list."
    assert removed.status_code == 200
    assert read_entries(client_of_asha) == [("Main", "TCS")]


def test_a_list_keeps_its_place_and_its_claims_when_it_is_renamed(client_of_asha: APIClient) -> None:
    make_lists(client_of_asha, "Banks")
    client_of_asha.post(ADD, RELIANCE)
    claim, logged = WatchlistEntry.objects.get().claim_id, SubscriptionLog.objects.count()

    answer = client_of_asha.post(RENAME, {"list": "Main", "name": "Core"})

    assert (answer.status_code, [one["name"] for one in answer.json()["lists"]]) == (200, ["Core", "Banks"])
    assert read_entries(client_of_asha) == [("Core", "RELIANCE")]
    assert (WatchlistEntry.objects.get().claim_id, SubscriptionLog.objects.count()) == (claim, logged)
    # The first list takes what names none.
    client_of_asha.post(ADD, TCS)
    assert read_entries(client_of_asha) == [("Core", "RELIANCE"), ("Core", "TCS")]


def test_a_list_with_entries_is_deleted_with_consent_only(client_of_asha: APIClient) -> None:
    make_lists(client_of_asha, "Banks")
    for body in (RELIANCE, {**TCS, "list": "Banks"}):
        client_of_asha.post(ADD, body)

    refused = client_of_asha.post(DELETE, {"list": "Banks"})

    assert (refused.status_code, refused.json()["code"], refused.json()["entries"]) == (409, "list_not_empty", 1)
    assert read_lists(client_of_asha) == {"Main": 1, "Banks": 1}

    answer = client_of_asha.post(DELETE, {"list": "Banks", "with_entries": True})

    assert (answer.status_code, answer.json()) == (200, {"entries": 1, "claims": 1, "released": 1})
    assert read_lists(client_of_asha) == {"Main": 1}
    assert Subscription.objects.count() == Claim.objects.filter(kind="watchlist").count() == 1
    assert SubscriptionLog.objects.get(reason="WATCHLIST_DELETE").subject == "TCS"


def test_an_entry_moves_to_a_place_of_another_list_and_keeps_its_claim(client_of_asha: APIClient) -> None:
    make_lists(client_of_asha, "Banks")
    moved = client_of_asha.post(ADD, RELIANCE).json()["entry"]["id"]
    first = client_of_asha.post(ADD, {**TCS, "list": "Banks"}).json()["entry"]["id"]
    claims = sorted(Claim.objects.values_list("pk", flat=True))
    since, logged = sorted(Subscription.objects.values_list("pk", "since")), SubscriptionLog.objects.count()

    answer = client_of_asha.post(MOVE, {"entry_id": moved, "list": "Banks", "before": first})

    assert answer.status_code == 200
    assert (answer.json()["entry"]["list"], answer.json()["entry"]["position"]) == ("Banks", 0)
    assert read_entries(client_of_asha) == [("Banks", "RELIANCE"), ("Banks", "TCS")]
    assert sorted(Claim.objects.values_list("pk", flat=True)) == claims
    assert sorted(Subscription.objects.values_list("pk", "since")) == since
    assert SubscriptionLog.objects.count() == logged

    client_of_asha.post(MOVE, {"entry_id": moved, "list": "Main", "before": None})

    assert read_entries(client_of_asha) == [("Main", "RELIANCE"), ("Banks", "TCS")]


def test_an_entry_does_not_move_to_a_list_that_has_it(client_of_asha: APIClient) -> None:
    make_lists(client_of_asha, "Banks")
    entry = client_of_asha.post(ADD, RELIANCE).json()["entry"]["id"]
    client_of_asha.post(ADD, {**RELIANCE, "list": "Banks"})

    answer = client_of_asha.post(MOVE, {"entry_id": entry, "list": "Banks", "before": None})

    assert (answer.status_code, answer.json()["code"]) == (409, "duplicate_entry")
    assert answer.json()["detail"] == "RELIANCE is on Banks already."
    assert read_entries(client_of_asha) == [("Main", "RELIANCE"), ("Banks", "RELIANCE")]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (LISTS, {"name": "Main"}, 409, "duplicate_list"),
        (LISTS, {"name": " "}, 400, "invalid"),
        (LISTS, {"name": "x" * 41}, 400, "invalid"),
        (LISTS, {}, 400, "invalid"),
        (RENAME, {"list": "Main", "name": "Banks"}, 409, "duplicate_list"),
        (RENAME, {"list": "Nowhere", "name": "Core"}, 404, "unknown_list"),
        (RENAME, {"name": "Core"}, 400, "invalid"),
        (DELETE, {"list": "Nowhere"}, 404, "unknown_list"),
        (DELETE, {"list": "Banks", "with_entries": "perhaps"}, 400, "invalid"),
        (ADD, {**TCS, "list": "Nowhere"}, 404, "unknown_list"),
        (MOVE, {"entry_id": 999_999, "list": "Banks", "before": None}, 404, "unknown_entry"),
    ],
)
def test_a_wrong_request_changes_no_list(
    client_of_asha: APIClient, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    make_lists(client_of_asha, "Banks")

    answer = client_of_asha.post(path, body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert list(read_lists(client_of_asha)) == ["Main", "Banks"]
    assert not Claim.objects.exists()


def test_an_entry_does_not_move_to_an_unknown_list(client_of_asha: APIClient) -> None:
    entry = client_of_asha.post(ADD, RELIANCE).json()["entry"]["id"]

    answer = client_of_asha.post(MOVE, {"entry_id": entry, "list": "Nowhere", "before": None})

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_list")
    assert read_entries(client_of_asha) == [("Main", "RELIANCE")]


def test_the_last_list_is_not_deleted(client_of_asha: APIClient) -> None:
    answer = client_of_asha.post(DELETE, {"list": "Main"})

    assert (answer.status_code, answer.json()["code"]) == (409, "last_list")


def test_lists_of_another_trader_are_neither_seen_nor_changed(
    client_of_asha: APIClient, client_of_vikram: APIClient
) -> None:
    make_lists(client_of_asha, "Banks")
    entry = client_of_asha.post(ADD, {**RELIANCE, "list": "Banks"}).json()["entry"]["id"]

    answers = [
        client_of_vikram.post(RENAME, {"list": "Banks", "name": "Mine"}),
        client_of_vikram.post(DELETE, {"list": "Banks", "with_entries": True}),
        client_of_vikram.post(MOVE, {"entry_id": entry, "list": "Main", "before": None}),
        client_of_vikram.post(LISTS, {"name": "Mine", "user_id": "asha"}),
    ]

    assert [one.status_code for one in answers] == [404, 404, 404, 404]
    assert read_lists(client_of_vikram) == {"Main": 0}
    assert read_lists(client_of_asha) == {"Main": 0, "Banks": 1}


@pytest.mark.parametrize("path", [LISTS, RENAME, DELETE])
def test_lists_need_a_login(path: str) -> None:
    assert APIClient().post(path, {"name": "Banks"}).status_code == 401
    assert APIClient().get(LISTS).status_code == 401


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("long_timeouts")
def test_two_requests_at_once_do_not_exceed_the_number_of_lists(asha: User) -> None:
    for number in range(MAX_LISTS - 2):
        create_list(user_id=asha.pk, name=f"List {number}", now=NOW)

    def create(name: str) -> str:
        try:
            create_list(user_id=asha.pk, name=name, now=NOW)
        except TooManyLists as refusal:
            return str(refusal)
        finally:
            connections.close_all()
        return "created"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(create, ("One", "Other")))

    assert outcomes == ["You have 9 lists, and no more are possible.", "created"]
    assert NamedList.objects.filter(user=asha).count() == MAX_LISTS


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("long_timeouts")
def test_an_addition_during_the_deletion_of_its_list_leaves_no_claim_without_an_entry(asha: User) -> None:
    create_list(user_id=asha.pk, name="Banks", now=NOW)
    add_to_watchlist(asha, "TCS", EntryKind.EQUITY)
    client = client_of(asha)

    def add() -> int:
        try:
            return client.post(ADD, {**RELIANCE, "list": "Banks"}).status_code
        finally:
            connections.close_all()

    def delete() -> int:
        try:
            return delete_list(user_id=asha.pk, name="Banks", has_consent=True, actor="asha", now=NOW).entries
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        added, deleted = pool.submit(add), pool.submit(delete)

    assert (added.result(), deleted.result()) in {(201, 1), (404, 0)}
    assert read_entries(client) == [("Main", "TCS")]
    assert Claim.objects.count() == Subscription.objects.count() == 1
