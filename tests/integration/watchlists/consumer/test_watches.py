"""Watches of a page: instruments, chains and watchlists, their answers, and their limits."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer

from accounts.models import User
from marketdata.notices import user_group
from marketdata.streaming.hub import QuoteHub
from subscriptions.models import FeedConnection
from tests import factories
from tests.factories import NOW, Listing
from tests.integration.marketdata.streaming.frame_publishers import FramePublisher
from tests.integration.watchlists.consumer.browser_sockets import (
    add_share,
    open_socket,
    subscribe,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("seeded")]


async def test_instruments_are_watched_by_id(
    hub: QuoteHub, publisher: FramePublisher, trader: User, listing: Listing
) -> None:
    spot = listing.spots["NIFTY"].pk
    await publisher.publish_changes({spot: 25_000.0, 999_999: 1.0})
    async with open_socket(hub, trader) as browser:
        await browser.send(type="watch", id="strip", instruments=[spot])

        assert await browser.receive("watching") == {
            "type": "watching",
            "id": "strip",
            "instruments": [spot],
            "not_streaming": [spot],
        }
        await browser.receive_until(lambda held: held == {spot: 25_000.0})
        await publisher.publish_changes({spot: 25_010.0})
        await browser.receive_until(lambda held: held == {spot: 25_010.0})


async def test_a_chain_watch_is_answered_with_the_window_and_the_quotes_of_its_legs(
    hub: QuoteHub, publisher: FramePublisher, trader: User, listing: Listing, settings: Any
) -> None:
    settings.MARKET_DATE = NOW.date()
    spot = listing.spots["RELIANCE"].pk
    await publisher.publish_changes({spot: 2_604.0})
    await publisher.cache_rows()
    async with open_socket(hub, trader) as browser:
        await browser.send(type="watch", id="chain", chain={"symbol": "reliance", "expiry": "24FEB2026"})
        chain = await browser.receive("chain")
        call = next(call for strike, call, _ in chain["strikes"] if strike == "2600")
        await publisher.publish_changes({call: 61.5})
        await browser.receive_until(lambda held: held.get(call) == 61.5 and held.get(spot) == 2_604.0)

    assert len(chain["strikes"]) == 25
    assert (chain["strikes"][0][0], chain["strikes"][-1][0]) == ("2360", "2840")
    assert {
        name: chain[name] for name in ("id", "symbol", "exchange", "expiry", "days_left", "atm", "strike_step")
    } == {
        "id": "chain",
        "symbol": "RELIANCE",
        "exchange": "NSE",
        "expiry": "2026-02-24",
        "days_left": 14,
        "atm": "2600",
        "strike_step": "20",
    }
    assert (chain["instrument_type"], chain["lot_size"], chain["spot_instrument_id"]) == ("STOCK_OPTION", 65, spot)
    assert (chain["not_streaming"], chain["not_streaming_reason"]) == ([], None)


@pytest.mark.parametrize(
    ("chain", "code"),
    [
        ({"symbol": "NOSUCH"}, "unknown_symbol"),
        ({"symbol": "RELIANCE", "expiry": "2026-02-25"}, "unknown_expiry"),
        ({"symbol": "RELIANCE", "expiry": "2026-01-27"}, "past_expiry"),
        ({"symbol": "RELIANCE", "expiry": "soon"}, "malformed_date"),
        ({"symbol": "RELIANCE", "exchange": "NYSE"}, "unknown_symbol"),
        ({"symbol": "TCS"}, "no_price"),
        ({"symbol": ""}, "bad_watch"),
    ],
)
async def test_an_invalid_chain_watch_is_answered_with_an_error_message(
    hub: QuoteHub, trader: User, listing: Listing, settings: Any, chain: dict[str, str], code: str
) -> None:
    settings.MARKET_DATE = NOW.date()
    settings.DHAN_REST_URL = "http://127.0.0.1:9"
    async with open_socket(hub, trader) as browser:
        await browser.send(type="watch", id="chain", chain=chain)
        refusal = await browser.receive("error")

    assert (refusal["id"], refusal["code"]) == ("chain", code)
    assert len(refusal["message"]) > 10


async def test_a_moved_window_is_sent_again(
    hub: QuoteHub, publisher: FramePublisher, trader: User, listing: Listing, settings: Any
) -> None:
    settings.MARKET_DATE = NOW.date()
    # Without room for its claim: the window of a claimed chain is moved by recentring.
    await FeedConnection.objects.aupdate(capacity=10)
    spot = listing.spots["RELIANCE"].pk
    await publisher.publish_changes({spot: 2_604.0})
    await publisher.cache_rows()
    async with open_socket(hub, trader, review=0.1) as browser:
        await browser.send(type="watch", id="chain", chain={"symbol": "RELIANCE"})
        assert (await browser.receive("chain"))["atm"] == "2600"

        await publisher.publish_changes({spot: 2_641.0})
        await publisher.cache_rows()
        moved = await browser.receive("chain")

    assert moved["atm"] == "2640"
    assert moved["strikes"][0][0] == "2400"


async def test_the_watching_message_is_sent_again_when_an_instrument_starts_to_stream(
    hub: QuoteHub, publisher: FramePublisher, trader: User, listing: Listing
) -> None:
    spot = listing.spots["NIFTY"]
    async with open_socket(hub, trader, review=0.1) as browser:
        await browser.send(type="watch", id="strip", instruments=[spot.pk])
        await browser.receive("watching", not_streaming=[spot.pk])

        await database_sync_to_async(subscribe)(spot)

        await browser.receive("watching", not_streaming=[])


async def test_a_watchlist_watch_has_the_entries_of_its_trader_only(
    hub: QuoteHub, publisher: FramePublisher, trader: User, listing: Listing
) -> None:
    other = await database_sync_to_async(factories.make_user)("trader2")
    for user, symbol in [(trader, "TCS"), (other, "RELIANCE")]:
        await database_sync_to_async(add_share)(user, listing.spots[symbol])
    async with open_socket(hub, trader) as browser:
        await browser.send(type="watch", id="list", watchlist=True)
        watching = await browser.receive("watching")

    assert watching["instruments"] == [listing.spots["TCS"].pk]


async def test_a_changed_watchlist_is_sent_again_without_another_watch(
    hub: QuoteHub, publisher: FramePublisher, trader: User, listing: Listing
) -> None:
    layer = get_channel_layer()
    assert layer is not None
    share, spot = listing.spots["TCS"], listing.spots["NIFTY"]
    async with open_socket(hub, trader) as browser:
        await browser.send(type="watch", id="strip", instruments=[spot.pk])
        await browser.send(type="watch", id="list", watchlist=True)
        await browser.receive("watching", id="list", instruments=[])

        await database_sync_to_async(add_share)(trader, share)
        await layer.group_send(user_group(trader.pk), {"type": "watchlist.changed"})

        await browser.receive("watchlist_changed")
        await browser.receive("watching", id="list", instruments=[share.pk])
        await publisher.publish_changes({share.pk: 3_100.0})
        await browser.receive_until(lambda prices: prices == {share.pk: 3_100.0})

    assert browser.kinds.count("watching") == 3


async def test_watches_are_limited_in_number_and_in_size(hub: QuoteHub, trader: User) -> None:
    ids = [one.pk for one in await database_sync_to_async(factories.make_equities)(2_500)]
    async with open_socket(hub, trader) as browser:
        await browser.send(type="watch", id="one", instruments=ids[:1_500])
        await browser.receive("watching")
        await browser.send(type="watch", id="two", instruments=ids[999:2_500])
        assert (await browser.receive("error"))["code"] == "too_many"
        for number in range(15):
            await browser.send(type="watch", id=f"more{number}", instruments=ids[:1])
            await browser.receive("watching")
        await browser.send(type="watch", id="seventeenth", instruments=ids[:1])
        assert (await browser.receive("error"))["code"] == "too_many"
        await browser.send(type="unwatch", id="one")
        await browser.send(type="watch", id="seventeenth", instruments=ids[:1])
        await browser.receive("watching", id="seventeenth")


@asynccontextmanager
async def silent_broker() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Yield the URL of a broker that accepts requests without an answer, and an event that the first one sets."""
    requested, end = asyncio.Event(), asyncio.Event()

    async def keep_waiting(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requested.set()
        await end.wait()
        writer.close()

    async with await asyncio.start_server(keep_waiting, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}", requested
        end.set()


async def test_prices_flow_while_a_watch_waits_for_the_broker(
    hub: QuoteHub, publisher: FramePublisher, trader: User, listing: Listing, settings: Any
) -> None:
    settings.MARKET_DATE = NOW.date()
    spot = listing.spots["NIFTY"].pk
    async with open_socket(hub, trader) as browser, silent_broker() as (url, requested):
        settings.DHAN_REST_URL = url
        settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = "1000000001", "token"
        await publisher.publish_changes({spot: 25_000.0})
        await browser.send(type="rate", hz=10)
        await browser.send(type="watch", id="strip", instruments=[spot])
        await browser.receive_until(lambda held: held == {spot: 25_000.0})

        await browser.send(type="watch", id="chain", chain={"symbol": "TCS"})
        async with asyncio.timeout(8):
            await requested.wait()
        async with asyncio.timeout(2):
            for price in (25_001.0, 25_002.0, 25_003.0, 25_004.0):
                await publisher.publish_changes({spot: price})
                await browser.receive_until(lambda held, price=price: held == {spot: price})  # type: ignore[misc]
            await browser.send(type="ping")
            await browser.receive("pong")


async def test_prices_flow_while_a_query_hangs_in_the_thread_that_all_sockets_share(
    hub: QuoteHub, publisher: FramePublisher, trader: User, listing: Listing
) -> None:
    spot, end = listing.spots["NIFTY"].pk, threading.Event()
    async with open_socket(hub, trader) as browser:
        await publisher.publish_changes({spot: 25_000.0})
        await browser.send(type="watch", id="strip", instruments=[spot])
        await browser.receive_until(lambda held: held == {spot: 25_000.0})
        hanging = asyncio.create_task(database_sync_to_async(end.wait)(timeout=30))
        try:
            async with asyncio.timeout(5):
                for price in (25_001.0, 25_002.0, 25_003.0, 25_004.0):
                    await publisher.publish_changes({spot: price})
                    await browser.receive_until(lambda held, price=price: held == {spot: price})  # type: ignore[misc]
            assert not hanging.done()
        finally:
            end.set()
            await hanging


async def test_only_the_newest_of_several_watches_with_one_id_is_answered(
    hub: QuoteHub, trader: User, listing: Listing, settings: Any
) -> None:
    settings.MARKET_DATE = NOW.date()
    spot = listing.spots["NIFTY"].pk
    async with open_socket(hub, trader) as browser:
        async with silent_broker() as (url, requested):
            settings.DHAN_REST_URL = url
            settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = "1000000001", "token"
            await browser.send(type="watch", id="one", chain={"symbol": "TCS"})
            await requested.wait()
            await browser.send(type="watch", id="one", chain={"symbol": "NOSUCH"})
            await browser.send(type="watch", id="one", instruments=[spot])
            await browser.send(type="ping")
            await browser.receive("pong")

        await browser.receive("watching", id="one")

    assert "error" not in browser.kinds


async def test_unknown_instrument_ids_are_left_out_of_a_watch(hub: QuoteHub, trader: User, listing: Listing) -> None:
    spot = listing.spots["NIFTY"].pk
    async with open_socket(hub, trader) as browser:
        await browser.send(type="watch", id="strip", instruments=[4_000_000_000, spot, 4_000_000_001, spot])

        watching = await browser.receive("watching")

    assert (watching["instruments"], watching["not_streaming"]) == ([spot], [spot])


async def test_a_resync_is_answered_with_a_snapshot(
    hub: QuoteHub, publisher: FramePublisher, trader: User, listing: Listing
) -> None:
    spot = listing.spots["NIFTY"].pk
    await publisher.publish_changes({spot: 25_000.0})
    async with open_socket(hub, trader) as browser:
        await browser.send(type="watch", id="strip", instruments=[spot])
        await browser.receive_until(lambda held: spot in held)
        before = len(browser.frames)

        await browser.send(type="resync")

        await browser.receive_until(lambda _: any(frame.kind == 1 for frame in browser.frames[before:]))
