"""The subscription status at any size, with and without owners and a board."""

import asyncio
from datetime import timedelta

import pytest
import redis.asyncio
from django.conf import settings as current
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from marketdata import quote_board
from marketdata.domain.feed import ConnectionReport, ConnectionState
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import Mode
from subscriptions import selectors, services
from subscriptions.domain.wanted import WantedInstrument
from subscriptions.models import FeedConnection, Subscription
from tests.factories import NOW, Listing, make_user
from tests.integration.subscriptions.claim_factories import claim_chain, claim_instrument


def report(number: int, *, sent: int, streaming: int, state: ConnectionState = ConnectionState.LIVE) -> None:
    async def write() -> None:
        async with redis.asyncio.Redis.from_url(current.REDIS_URL) as client:
            await quote_board.OwnerBoard(client, current.REDIS_PREFIX).report(
                ConnectionReport(number, "worker-1", 4, state, sent, sent, streaming, 9, 1.0, None, 1, "")
            )

    asyncio.run(write())


def test_drift_is_the_wanted_count_minus_the_streaming_count(listing: Listing) -> None:
    services.preload_tier_b(now=NOW)
    claim_chain(listing.series_of("RELIANCE"), user_id=make_user().pk)
    report(1, sent=36, streaming=36)
    report(2, sent=36, streaming=30, state=ConnectionState.OPENING)

    status = selectors.subscription_status()

    assert (status.total, status.capacity, status.tier_a, status.tier_b) == (180, 25_000, 51, 129)
    assert (status.utilisation, status.drift) == (0.72, 180 - 66)
    assert [(one.number, one.load, one.state, one.sent, one.streaming) for one in status.connections] == [
        (1, 36, ConnectionState.LIVE, 36, 36),
        (2, 36, ConnectionState.OPENING, 36, 30),
        (3, 36, ConnectionState.WANTED, 0, 0),
        (4, 36, ConnectionState.WANTED, 0, 0),
        (5, 36, ConnectionState.WANTED, 0, 0),
    ]


def test_a_connection_without_an_owner_is_not_live(listing: Listing) -> None:
    FeedConnection.objects.filter(number=3).update(state=ConnectionState.LIVE)
    FeedConnection.objects.filter(number=4).update(state=ConnectionState.RECONNECTING)

    states = [one.state for one in selectors.subscription_status().connections]

    assert states[2:4] == [ConnectionState.WANTED, ConnectionState.RECONNECTING]


def test_without_a_board_the_streaming_counts_are_null(listing: Listing, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    status = selectors.subscription_status()

    assert status.drift is None
    assert {one.streaming for one in status.connections} == {None}


@pytest.mark.parametrize("width", [3, 41])
def test_the_status_needs_two_queries_at_any_size(
    listing: Listing, django_assert_num_queries: DjangoAssertNumQueries, width: int
) -> None:
    claim_chain(listing.series_of("NIFTY"), user_id=make_user().pk, width=width)

    with django_assert_num_queries(2):
        selectors.subscription_status()


@pytest.mark.parametrize("width", [3, 41])
def test_the_wanted_set_of_a_connection_needs_one_query_at_any_size(
    listing: Listing, django_assert_num_queries: DjangoAssertNumQueries, width: int
) -> None:
    claim_chain(listing.series_of("NIFTY"), user_id=make_user().pk, width=width)

    with django_assert_num_queries(1):
        wanted = selectors.list_wanted(connection=2)

    assert len(wanted) == FeedConnection.objects.get(number=2).load


def test_a_wanted_instrument_has_its_key_and_mode(listing: Listing) -> None:
    nifty = listing.spots["NIFTY"]
    claim_instrument(nifty.pk, user_id=make_user().pk)

    assert selectors.list_wanted(connection=1) == [
        WantedInstrument(nifty.pk, InstrumentKey(ExchangeSegment.IDX_I, 13), Mode.TICKER)
    ]
    assert selectors.list_wanted(connection=2) == []


def test_a_moving_subscription_is_wanted_on_both_connections(listing: Listing) -> None:
    claim_instrument(listing.spots["TCS"].pk, user_id=make_user().pk)
    Subscription.objects.update(connection_id=4, leaving_connection_id=1)

    assert [len(selectors.list_wanted(connection=number)) for number in (1, 2, 3, 4, 5)] == [1, 0, 0, 1, 0]


def test_legs_per_connection_are_counted_for_each_claim(
    listing: Listing, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    user = make_user()
    chain = claim_chain(listing.series_of("RELIANCE"), user_id=user.pk, now=NOW + timedelta(seconds=1))
    share = claim_instrument(listing.spots["TCS"].pk, user_id=user.pk)

    with django_assert_num_queries(1):
        found = selectors.list_claim_connections([chain.claim_id, share.claim_id])

    assert found == {chain.claim_id: chain.per_connection, share.claim_id: share.per_connection}
    tcs = listing.spots["TCS"].pk
    assert selectors.connection_of([tcs]) == {tcs: next(iter(share.per_connection))}


def test_the_status_endpoint_requires_a_login(listing: Listing, client: Client) -> None:
    claim_instrument(listing.spots["TCS"].pk, user_id=make_user().pk)
    assert client.get("/api/v2/subscriptions/status").status_code in {401, 403}

    client.force_login(make_user("trader2"))
    answer = client.get("/api/v2/subscriptions/status").json()

    assert {name: answer[name] for name in ("total", "capacity", "tier_a", "tier_b", "utilisation", "drift")} == {
        "total": 1,
        "capacity": 25_000,
        "tier_a": 1,
        "tier_b": 0,
        "utilisation": 0.0,
        "drift": 1,
    }
    assert answer["connections"][0] == {
        "ws_id": 1,
        "load": 1,
        "capacity": 5_000,
        "state": "wanted",
        "sent": 0,
        "streaming": 0,
    }
