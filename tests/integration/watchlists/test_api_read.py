"""Reading a watchlist through the API: order, quotes, states and the number of queries."""

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import redis.asyncio
from django.conf import settings
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import User
from marketdata.domain.feed import ConnectionReport, ConnectionState
from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.quote_rows import QUOTE_ROW, Known
from marketdata.quote_board import OwnerBoard
from subscriptions.models import Subscription
from tests.factories import NOW, Listing, add_to_watchlist, drop_prices, make_equities, put_prices
from watchlists import selectors
from watchlists.models import EntryKind, WatchlistEntry

LIST = "/api/v2/watchlist/me"
RELIANCE = {"symbol": "RELIANCE", "expiry": "24FEB2026", "instrument_type": "STOCK_OPTION"}
REPORT = ConnectionReport(
    connection=1,
    owner="feed1",
    epoch=1,
    state=ConnectionState.LIVE,
    wanted=0,
    sent=0,
    streaming=0,
    packets=0,
    packets_per_second=0.0,
    last_packet_at_ms=None,
    reported_at_ms=0,
    last_error="",
    ticking=tuple(ExchangeSegment),  # All segments tick, so that quotes are fresh on any day.
)


async def _report(state: ConnectionState) -> None:
    async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
        board = OwnerBoard(client, settings.REDIS_PREFIX)
        for number in range(1, 6):
            await board.report(replace(REPORT, connection=number, state=state))


def entries_of(client: APIClient) -> list[dict[str, Any]]:
    answer = client.get(LIST)
    assert answer.status_code == 200
    entries: list[dict[str, Any]] = answer.json()["entries"]
    return entries


def test_entries_are_in_list_order_with_live_quotes(client_of_asha: APIClient, listing: Listing) -> None:
    client_of_asha.post("/api/v2/watchlist/add", {"symbol": "TCS", "instrument_type": "EQUITY"})
    client_of_asha.post("/api/v2/watchlist/add", RELIANCE)
    asyncio.run(_report(ConnectionState.LIVE))

    tcs, reliance = entries_of(client_of_asha)

    assert (tcs["symbol"], tcs["position"], tcs["state"], tcs["legs"]) == ("TCS", 0, "live", 1)
    assert tcs["quote"] == {
        "ltp": 3000.0,
        "change": None,
        "change_percent": None,
        "previous_close": None,
        "volume": None,
        "state": "live",
        "source": "quote",
        "at": "2026-02-10T04:30:00Z",
    }
    assert (reliance["width"], reliance["legs"], reliance["expiry_display"]) == (25, 50, "24FEB2026")
    assert reliance["quoted_instrument_id"] == listing.spots["RELIANCE"].pk
    assert reliance["quote"]["ltp"] == 2604.0


async def _cache_full_quote(instrument_id: int) -> None:
    row = np.zeros(1, dtype=QUOTE_ROW)
    row["instrument_id"] = instrument_id
    row["known"] = Known.TRADE | Known.DAY | Known.DAY_CLOSE | Known.OI | Known.DEPTH
    row["received_at_ms"] = int(NOW.timestamp() * 1_000) + 1
    row["ltp"], row["volume"], row["previous_close"] = 3_015.45, 2**32 + 1_200, 3_000.0
    async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
        board = OwnerBoard(client, settings.REDIS_PREFIX)
        await board.cache_rows(connection=1, epoch=1, rows=row, dropped=(), replace_all=False)


def test_a_full_quote_shows_its_change_against_the_previous_close(client_of_asha: APIClient, listing: Listing) -> None:
    client_of_asha.post("/api/v2/watchlist/add", {"symbol": "TCS", "instrument_type": "EQUITY"})
    asyncio.run(_cache_full_quote(listing.spots["TCS"].pk))

    (tcs,) = entries_of(client_of_asha)

    assert {name: tcs["quote"][name] for name in ("ltp", "change", "change_percent", "previous_close", "volume")} == {
        "ltp": 3015.45,
        "change": 15.45,
        "change_percent": 0.52,
        "previous_close": 3000.0,
        "volume": 4_294_968_496,
    }


def test_an_unknown_quote_is_null(client_of_asha: APIClient, listing: Listing) -> None:
    client_of_asha.post("/api/v2/watchlist/add", {"symbol": "TCS", "instrument_type": "EQUITY"})
    drop_prices([listing.spots["TCS"].pk])
    asyncio.run(_report(ConnectionState.LIVE))

    (tcs,) = entries_of(client_of_asha)

    assert (tcs["state"], tcs["quote"]) == ("waiting", None)


def test_a_quote_from_before_an_outage_is_stale_on_a_live_connection(
    client_of_asha: APIClient, listing: Listing
) -> None:
    client_of_asha.post("/api/v2/watchlist/add", {"symbol": "TCS", "instrument_type": "EQUITY"})
    asyncio.run(_report(ConnectionState.LIVE))
    put_prices({listing.spots["TCS"].pk: 3_000.0}, known=Known.TRADE | Known.EARLIER)

    (tcs,) = entries_of(client_of_asha)

    assert (tcs["state"], tcs["quote"]["source"], tcs["quote"]["ltp"]) == ("stale", "earlier", 3000.0)


@pytest.mark.parametrize(
    ("known", "state"),
    [
        (Known.TRADE, "live"),
        (Known.TRADE | Known.EARLIER, "stale"),
        (Known.TRADE | Known.SUSPECT, "suspect"),
        (Known.OI, "waiting"),
    ],
)
def test_an_entry_has_the_state_of_its_quote(
    client_of_asha: APIClient, listing: Listing, known: Known, state: str
) -> None:
    client_of_asha.post("/api/v2/watchlist/add", {"symbol": "TCS", "instrument_type": "EQUITY"})
    asyncio.run(_report(ConnectionState.LIVE))
    put_prices({listing.spots["TCS"].pk: 3_000.0}, known=known)

    (tcs,) = entries_of(client_of_asha)

    assert (tcs["state"], tcs["quote"]["state"]) == (state, state)


@pytest.mark.parametrize("state", [ConnectionState.RECONNECTING, ConnectionState.OPENING, ConnectionState.STOPPED])
def test_a_quote_from_a_connection_that_does_not_stream_is_stale(
    client_of_asha: APIClient, state: ConnectionState
) -> None:
    client_of_asha.post("/api/v2/watchlist/add", {"symbol": "TCS", "instrument_type": "EQUITY"})
    asyncio.run(_report(state))

    assert [one["state"] for one in entries_of(client_of_asha)] == ["stale"]


def test_entries_without_a_connection_owner_are_stale(client_of_asha: APIClient) -> None:
    client_of_asha.post("/api/v2/watchlist/add", {"symbol": "TCS", "instrument_type": "EQUITY"})

    assert [one["state"] for one in entries_of(client_of_asha)] == ["stale"]


def test_an_entry_without_a_claim_has_the_state_evicted(client_of_asha: APIClient, asha: User) -> None:
    client_of_asha.post("/api/v2/watchlist/add", RELIANCE)
    WatchlistEntry.objects.filter(user=asha).update(claim=None)

    (entry,) = entries_of(client_of_asha)

    assert (entry["state"], entry["quote"], entry["legs"], entry["width"]) == ("evicted", None, 0, None)


def test_a_list_has_no_entries_of_other_traders(client_of_asha: APIClient, client_of_vikram: APIClient) -> None:
    client_of_vikram.post("/api/v2/watchlist/add", RELIANCE)

    answer = client_of_asha.get(LIST).json()

    assert (answer["count"], answer["entries"]) == (0, [])
    assert answer["lists"] == [{"name": "Main", "entries": 0}]
    assert answer["quota"]["used"] == 0


def test_each_quoted_instrument_is_listed_once(client_of_asha: APIClient, asha: User, listing: Listing) -> None:
    client_of_asha.post("/api/v2/watchlist/add", RELIANCE)
    client_of_asha.post("/api/v2/watchlist/add", {"symbol": "RELIANCE", "instrument_type": "EQUITY"})
    client_of_asha.post("/api/v2/watchlist/add", {"symbol": "TCS", "instrument_type": "EQUITY"})

    quoted = selectors.list_quoted_instruments(user_id=asha.pk)

    assert quoted == [listing.spots["RELIANCE"].pk, listing.spots["TCS"].pk]


@pytest.mark.parametrize("count", [2, 12])
def test_a_list_needs_the_same_number_of_queries_at_any_length(
    asha: User, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for equity in make_equities(count):
        add_to_watchlist(asha, equity.token, EntryKind.EQUITY, now=NOW)
    assert Subscription.objects.count() == count

    with django_assert_num_queries(3):
        assert len(selectors.list_entries(user_id=asha.pk)) == count
