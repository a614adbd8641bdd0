"""Keep and order of watchlist entries through the API."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from rest_framework.test import APIClient

from accounts.models import User
from subscriptions.models import Claim, SubscriptionLog
from tests.factories import NOW, add_to_watchlist, make_equity
from tests.integration.watchlists.conftest import client_of
from watchlists.models import EntryKind, NamedList, WatchlistEntry
from watchlists.services import move_entry

KEEP = "/api/v2/watchlist/keep"
MOVE = "/api/v2/watchlist/move"
SYMBOLS = ("RELIANCE", "TCS", "INFY", "HDFCBANK")


def add_all(user: User) -> list[int]:
    """Put the four shares on the list of `user`; return their entries in this order."""
    for number, symbol in enumerate(SYMBOLS[2:]):
        make_equity(symbol, security_id=900_000 + number)
    return [add_to_watchlist(user, symbol, EntryKind.EQUITY, now=NOW).entry.pk for symbol in SYMBOLS]


def read_order(client: APIClient) -> list[str]:
    return [one["symbol"] for one in client.get("/api/v2/watchlist/me").json()["entries"]]


@pytest.mark.parametrize("keep", [True, False])
def test_keep_is_set_and_its_claim_stays(asha: User, client_of_asha: APIClient, keep: bool) -> None:
    entry = add_to_watchlist(asha, "RELIANCE", EntryKind.EQUITY, now=NOW, keep=not keep).entry
    claims, logged = list(Claim.objects.values_list("pk", flat=True)), SubscriptionLog.objects.count()

    answer = client_of_asha.post(KEEP, {"entry_id": entry.pk, "keep": keep})

    assert (answer.status_code, answer.json()["entry"]["keep"]) == (200, keep)
    assert WatchlistEntry.objects.get().keep is keep
    assert list(Claim.objects.values_list("pk", flat=True)) == claims
    assert SubscriptionLog.objects.count() == logged


@pytest.mark.parametrize(
    ("moved", "before", "order"),
    [
        ("INFY", "RELIANCE", ["INFY", "RELIANCE", "TCS", "HDFCBANK"]),
        ("RELIANCE", "HDFCBANK", ["TCS", "INFY", "RELIANCE", "HDFCBANK"]),
        ("TCS", None, ["RELIANCE", "INFY", "HDFCBANK", "TCS"]),
        ("TCS", "INFY", list(SYMBOLS)),
        ("HDFCBANK", None, list(SYMBOLS)),
    ],
)
def test_an_entry_moves_before_another_one_or_to_the_end(
    asha: User, client_of_asha: APIClient, moved: str, before: str | None, order: list[str]
) -> None:
    entries = dict(zip(SYMBOLS, add_all(asha), strict=True))

    answer = client_of_asha.post(MOVE, {"entry_id": entries[moved], "before": before and entries[before]})

    assert answer.status_code == 200
    assert answer.json()["entry"]["position"] == order.index(moved)
    assert read_order(client_of_asha) == order
    assert list(WatchlistEntry.objects.order_by("position").values_list("position", flat=True)) == [0, 1, 2, 3]


def test_gaps_and_equal_positions_are_put_right_by_a_move(asha: User, client_of_asha: APIClient) -> None:
    reliance, _, infy, hdfcbank = add_all(asha)
    WatchlistEntry.objects.filter(pk__in=(infy, hdfcbank)).update(position=7)

    client_of_asha.post(MOVE, {"entry_id": hdfcbank, "before": reliance})

    assert read_order(client_of_asha) == ["HDFCBANK", "RELIANCE", "TCS", "INFY"]
    assert list(WatchlistEntry.objects.order_by("position").values_list("position", flat=True)) == [0, 1, 2, 3]


def test_an_entry_does_not_move_beside_one_of_another_trader_or_list(
    asha: User, vikram: User, client_of_asha: APIClient
) -> None:
    own = add_all(asha)
    theirs = add_to_watchlist(vikram, "RELIANCE", EntryKind.EQUITY, now=NOW).entry.pk
    NamedList.objects.create(user=asha, name="Other")
    WatchlistEntry.objects.filter(pk=own[3]).update(list_name="Other")

    answers = [client_of_asha.post(MOVE, {"entry_id": own[0], "before": one}) for one in (theirs, own[3], 999_999)]

    assert [(one.status_code, one.json()["code"]) for one in answers] == [(404, "unknown_entry")] * 3
    assert list(WatchlistEntry.objects.filter(user=asha).order_by("pk").values_list("position", flat=True)) == [
        0,
        1,
        2,
        3,
    ]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (KEEP, {"entry_id": 1}, "keep"),
        (KEEP, {"entry_id": 1, "keep": "perhaps"}, "keep"),
        (KEEP, {"keep": True}, "entry_id"),
        (KEEP, {"entry_id": 2**63, "keep": True}, "entry_id"),
        (MOVE, {"entry_id": 1}, "before"),
        (MOVE, {"entry_id": "first", "before": None}, "entry_id"),
        (MOVE, {"entry_id": 1, "before": 1}, "before"),
        (MOVE, {"entry_id": 1, "before": 0}, "before"),
    ],
)
def test_a_wrong_body_is_refused_by_field(
    client_of_asha: APIClient, path: str, body: dict[str, Any], field: str
) -> None:
    answer = client_of_asha.post(path, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert list(answer.json()["errors"]) == [field]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("long_timeouts")
def test_moves_at_the_same_time_all_take_effect(asha: User) -> None:
    reliance, *others = add_all(asha)

    def move_first(entry_id: int) -> None:
        try:
            move_entry(user_id=asha.pk, entry_id=entry_id, before_id=reliance, now=NOW)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(others)) as pool:
        list(pool.map(move_first, others))

    # Each stands before RELIANCE, in the order in which they came.
    order = read_order(client_of(asha))
    assert (order[3], sorted(order)) == ("RELIANCE", sorted(SYMBOLS))
    assert list(WatchlistEntry.objects.order_by("position").values_list("position", flat=True)) == [0, 1, 2, 3]
