"""Connections over REST for operators: states and rebalance; both need the operate permission."""

import asyncio

import pytest
import redis.asyncio
from django.conf import settings as current
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from accounts.models import User
from marketdata import quote_board
from marketdata.domain.feed import ConnectionReport, ConnectionState
from subscriptions.models import FeedConnection, FeedLease, SubscriptionLog
from tests.factories import NOW, PASSWORD, Listing, make_user
from tests.integration.subscriptions.claim_factories import fill_with_shares, list_loads
from tests.integration.subscriptions.invariants import check_invariants

WS_STATUS = "/api/v2/admin/ws-status"
REBALANCE = "/api/v2/admin/rebalance-ws"


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


@pytest.fixture
def operator(listing: Listing) -> APIClient:
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="operate"))
    return client_of(clerk)


def crowd_one_connection(count: int) -> None:
    """Place all subscriptions on connection 1, as after a loss of the other connections."""
    FeedConnection.objects.exclude(number=1).update(capacity=0)
    fill_with_shares(count)
    FeedConnection.objects.update(capacity=5_000)


def report(number: int) -> None:
    async def write() -> None:
        async with redis.asyncio.Redis.from_url(current.REDIS_URL) as client:
            await quote_board.OwnerBoard(client, current.REDIS_PREFIX).report(
                ConnectionReport(
                    number,
                    "worker-1",
                    4,
                    ConnectionState.LIVE,
                    36,
                    36,
                    30,
                    900,
                    412.5,
                    1_770_697_800_000,
                    1_770_697_800_250,
                    "",
                )
            )

    asyncio.run(write())


def test_operators_see_connection_reports_and_null_without_an_owner(listing: Listing, operator: APIClient) -> None:
    FeedConnection.objects.update(since=NOW, last_error="")
    FeedConnection.objects.filter(number=2).update(state="reconnecting", last_error="code 805")
    FeedLease.objects.filter(connection=2).update(owner="worker-2", epoch=7)
    report(1)

    answer = operator.get(WS_STATUS)

    assert answer.status_code == 200
    assert answer.json()["connections"][:2] == [
        {
            "ws_id": 1,
            "owner": "worker-1",
            "epoch": 4,
            "state": "live",
            "since": "2026-02-10T04:30:00Z",
            "load": 0,
            "capacity": 5_000,
            "sent": 36,
            "streaming": 30,
            "packets_per_second": 412.5,
            "last_packet_at": "2026-02-10T04:30:00Z",
            "lag_ms": 250,
            "last_error": "",
        },
        {
            "ws_id": 2,
            "owner": "worker-2",
            "epoch": 7,
            "state": "reconnecting",
            "since": "2026-02-10T04:30:00Z",
            "load": 0,
            "capacity": 5_000,
            "sent": None,
            "streaming": None,
            "packets_per_second": None,
            "last_packet_at": None,
            "lag_ms": None,
            "last_error": "code 805",
        },
    ]


def test_a_rebalance_returns_the_moves_and_the_loads_before_and_after(listing: Listing, operator: APIClient) -> None:
    crowd_one_connection(100)

    answer = operator.post(REBALANCE)

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "moves": 80,
            "before": {"1": 100, "2": 0, "3": 0, "4": 0, "5": 0},
            "after": {"1": 20, "2": 20, "3": 20, "4": 20, "5": 20},
        },
    )
    # A moving subscription counts on both connections until it streams on the new one.
    assert list_loads() == [100, 20, 20, 20, 20]
    assert set(SubscriptionLog.objects.filter(reason="REBALANCE").values_list("actor", flat=True)) == {"clerk"}
    check_invariants()


def test_a_rebalance_of_level_connections_moves_nothing(listing: Listing, operator: APIClient) -> None:
    fill_with_shares(10)

    assert operator.post(REBALANCE).json()["moves"] == 0
    assert not SubscriptionLog.objects.exists()


@pytest.mark.parametrize(("method", "path"), [("get", WS_STATUS), ("post", REBALANCE)])
def test_staff_status_and_the_operate_permission_are_both_required(listing: Listing, method: str, path: str) -> None:
    crowd_one_connection(10)
    trader = make_user("asha")
    trader.user_permissions.add(Permission.objects.get(codename="operate"))

    for caller in (client_of(make_user("guard", is_staff=True)), client_of(trader)):
        answer = getattr(caller, method)(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
        assert answer["Content-Type"] == "application/problem+json"
    assert getattr(APIClient(), method)(path).status_code == 401

    assert list_loads() == [10, 0, 0, 0, 0]


@pytest.mark.parametrize(("method", "path"), [("get", WS_STATUS), ("post", REBALANCE)])
def test_a_superuser_is_accepted(listing: Listing, method: str, path: str) -> None:
    root = client_of(User.objects.create_superuser("root", password=PASSWORD))

    assert getattr(root, method)(path).status_code == 200


def test_a_get_request_moves_nothing(listing: Listing, operator: APIClient) -> None:
    crowd_one_connection(10)

    assert operator.get(REBALANCE).status_code == 405
    assert list_loads() == [10, 0, 0, 0, 0]
