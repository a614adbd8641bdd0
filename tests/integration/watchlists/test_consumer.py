"""The browser's socket from the handshake on: sessions, origins, watches, notices, limits."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.db import connections
from django.test import Client

from accounts.models import User
from marketdata.models import Instrument
from marketdata.notices import user_group
from marketdata.quote_board import connect_hub
from marketdata.streaming.frames import BrowserFrame, decode_browser_frame
from marketdata.streaming.hub import QuoteHub
from subscriptions.domain.claims import Tier
from subscriptions.models import Subscription
from terminal.asgi import socket_application
from tests import factories
from tests.factories import NOW, Listing
from tests.integration.marketdata.streaming.owners import Owner, answering
from watchlists.models import EntryKind, WatchlistEntry

pytestmark = [pytest.mark.asyncio, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("seeded")]

HOST = "testserver"


@dataclass
class Tab:
    """One open page."""

    socket: WebsocketCommunicator
    held: dict[int, float] = field(default_factory=dict)
    frames: list[BrowserFrame] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    async def say(self, **message: Any) -> None:
        await self.socket.send_to(text_data=json.dumps(message))

    async def hear(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Return the next message of that kind with those fields; frames before it are taken in."""
        async with asyncio.timeout(8):
            while True:
                message = await self._next()
                if message is not None and message["type"] == kind and fields.items() <= message.items():
                    return message

    async def see(self, is_so: Callable[[dict[int, float]], bool]) -> None:
        """Take frames in until the prices held satisfy `is_so`."""
        async with asyncio.timeout(8):
            while not is_so(self.held):
                await self._next()

    async def closed_with(self) -> int:
        async with asyncio.timeout(8):
            while True:
                event = await self.socket.receive_output(8)
                if event["type"] == "websocket.close":
                    return int(event["code"])

    async def _next(self) -> dict[str, Any] | None:
        event = await self.socket.receive_output(8)
        assert event["type"] == "websocket.send", event
        if event.get("text") is not None:
            message: dict[str, Any] = json.loads(event["text"])
            self.kinds.append(message["type"])
            return message
        frame = decode_browser_frame(event["bytes"])
        self.frames.append(frame)
        self.held |= {int(row["instrument_id"]): float(row["ltp"]) for row in frame.rows if row["known"]}
        await self.say(type="ack", seq=frame.sequence)
        return None


def session_cookie(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


def change_password(user: User) -> None:
    user.set_password("another one")
    user.save()


def subscribe(instrument: Instrument) -> None:
    Subscription.objects.create(instrument=instrument, connection_id=1, tier=Tier.A, mode="ticker", since=NOW)


def add_share(user: User, share: Instrument) -> None:
    WatchlistEntry.objects.create(
        user=user, kind=EntryKind.EQUITY, instrument=share, underlying_symbol=share.underlying_symbol, added_at=NOW
    )


@pytest_asyncio.fixture(autouse=True)
async def closed_connections() -> AsyncIterator[None]:
    """Close what watches opened: the communicator keeps Channels from closing old database connections."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        asyncio.get_running_loop().set_default_executor(executor)
        yield
        await sync_to_async(connections.close_all, thread_sensitive=False)()
        await sync_to_async(connections.close_all)()


@pytest_asyncio.fixture
async def hub(own_board: str) -> AsyncIterator[QuoteHub]:
    one = QuoteHub(connect=connect_hub)
    yield one
    await one.aclose()


@pytest_asyncio.fixture
async def owner(redis_url: str, own_board: str) -> AsyncIterator[Owner]:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        one = Owner(client, own_board)
        async with answering(one):
            yield one


@pytest_asyncio.fixture
async def trader() -> User:
    return await database_sync_to_async(factories.make_user)()


@pytest_asyncio.fixture
async def listing() -> Listing:
    return await database_sync_to_async(factories.make_listing)()


def communicator(hub: QuoteHub, cookie: str, *, origin: str, review: float) -> WebsocketCommunicator:
    application = socket_application(hub, review_every_seconds=review)
    headers = [(b"host", HOST.encode()), (b"cookie", f"sessionid={cookie}".encode())]
    if origin:
        headers.append((b"origin", origin.encode()))
    return WebsocketCommunicator(application, "/ws/market/", headers=headers)


@asynccontextmanager
async def open_tab(hub: QuoteHub, user: User | None, *, review: float = 60.0) -> AsyncIterator[Tab]:
    cookie = await database_sync_to_async(session_cookie)(user) if user else ""
    socket = communicator(hub, cookie, origin=f"http://{HOST}", review=review)
    is_accepted, _ = await socket.connect(timeout=8)
    assert is_accepted
    try:
        yield Tab(socket)
    finally:
        await socket.disconnect(timeout=8)


async def test_a_trader_is_welcomed_and_told_how_the_feed_is(hub: QuoteHub, owner: Owner, trader: User) -> None:
    async with open_tab(hub, trader) as tab:
        welcome = await tab.hear("welcome")
        feed = await tab.hear("feed", state="partial")

    assert welcome == {
        "type": "welcome",
        "protocol": 1,
        "epoch": hub.epoch,
        "rate": 4,
        "max_instruments": 2_000,
    }
    assert (feed["live"], feed["total"]) == (1, 5)


async def test_nobody_without_a_login_gets_in_and_is_told_not_to_come_back(hub: QuoteHub) -> None:
    async with open_tab(hub, None) as tab:
        assert await tab.closed_with() == 4401


@pytest.mark.parametrize("origin", ["", "http://evil.example", f"http://{HOST}:8001", f"http://{HOST}.evil.example"])
async def test_pages_of_other_origins_are_refused_at_the_handshake(hub: QuoteHub, trader: User, origin: str) -> None:
    cookie = await database_sync_to_async(session_cookie)(trader)
    socket = communicator(hub, cookie, origin=origin, review=60)

    is_accepted, _ = await socket.connect(timeout=8)

    assert not is_accepted
    await socket.wait()


async def test_a_logout_ends_the_socket(hub: QuoteHub, trader: User) -> None:
    async with open_tab(hub, trader, review=0.1) as tab:
        await tab.hear("welcome")

        await database_sync_to_async(change_password)(trader)

        assert await tab.closed_with() == 4401


async def test_instruments_are_watched_by_id(hub: QuoteHub, owner: Owner, trader: User, listing: Listing) -> None:
    spot = listing.spots["NIFTY"].pk
    await owner.change({spot: 25_000.0, 999_999: 1.0})
    async with open_tab(hub, trader) as tab:
        await tab.say(type="watch", id="strip", instruments=[spot])

        assert await tab.hear("watching") == {
            "type": "watching",
            "id": "strip",
            "instruments": [spot],
            "not_streaming": [spot],
        }
        await tab.see(lambda held: held == {spot: 25_000.0})
        await owner.change({spot: 25_010.0})
        await tab.see(lambda held: held == {spot: 25_010.0})


async def test_a_chain_is_answered_with_its_window_and_the_quotes_of_its_legs(
    hub: QuoteHub, owner: Owner, trader: User, listing: Listing, settings: Any
) -> None:
    settings.MARKET_DATE = NOW.date()
    spot = listing.spots["RELIANCE"].pk
    await owner.change({spot: 2_604.0})
    await owner.keep()
    async with open_tab(hub, trader) as tab:
        await tab.say(type="watch", id="chain", chain={"symbol": "reliance", "expiry": "24FEB2026"})
        chain = await tab.hear("chain")
        call = next(call for strike, call, _ in chain["strikes"] if strike == "2600")
        await owner.change({call: 61.5})
        await tab.see(lambda held: held.get(call) == 61.5 and held.get(spot) == 2_604.0)

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
    assert len(chain["not_streaming"]) == 51


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
async def test_a_chain_that_cannot_be_shown_is_refused_in_words(
    hub: QuoteHub, trader: User, listing: Listing, settings: Any, chain: dict[str, str], code: str
) -> None:
    settings.MARKET_DATE = NOW.date()
    settings.DHAN_REST_URL = "http://127.0.0.1:9"
    async with open_tab(hub, trader) as tab:
        await tab.say(type="watch", id="chain", chain=chain)
        refusal = await tab.hear("error")

    assert (refusal["id"], refusal["code"]) == ("chain", code)
    assert len(refusal["message"]) > 10


async def test_a_chain_whose_window_moves_is_said_again(
    hub: QuoteHub, owner: Owner, trader: User, listing: Listing, settings: Any
) -> None:
    settings.MARKET_DATE = NOW.date()
    spot = listing.spots["RELIANCE"].pk
    await owner.change({spot: 2_604.0})
    await owner.keep()
    async with open_tab(hub, trader, review=0.1) as tab:
        await tab.say(type="watch", id="chain", chain={"symbol": "RELIANCE"})
        assert (await tab.hear("chain"))["atm"] == "2600"

        await owner.change({spot: 2_641.0})
        await owner.keep()
        moved = await tab.hear("chain")

    assert moved["atm"] == "2640"
    assert moved["strikes"][0][0] == "2400"


async def test_what_starts_to_stream_is_said_again(hub: QuoteHub, owner: Owner, trader: User, listing: Listing) -> None:
    spot = listing.spots["NIFTY"]
    async with open_tab(hub, trader, review=0.1) as tab:
        await tab.say(type="watch", id="strip", instruments=[spot.pk])
        await tab.hear("watching", not_streaming=[spot.pk])

        await database_sync_to_async(subscribe)(spot)

        await tab.hear("watching", not_streaming=[])


async def test_a_watchlist_is_the_traders_own(hub: QuoteHub, owner: Owner, trader: User, listing: Listing) -> None:
    other = await database_sync_to_async(factories.make_user)("trader2")
    for user, symbol in [(trader, "TCS"), (other, "RELIANCE")]:
        await database_sync_to_async(add_share)(user, listing.spots[symbol])
    async with open_tab(hub, trader) as tab:
        await tab.say(type="watch", id="list", watchlist=True)
        watching = await tab.hear("watching")

    assert watching["instruments"] == [listing.spots["TCS"].pk]


async def test_notices_and_changed_lists_reach_every_tab_of_a_trader(hub: QuoteHub, trader: User) -> None:
    layer = get_channel_layer()
    assert layer is not None
    async with open_tab(hub, trader) as one, open_tab(hub, trader) as two:
        for tab in (one, two):
            await tab.hear("welcome")

        await layer.group_send(user_group(trader.pk), {"type": "notice", "kind": "evicted", "text": "Removed INFY."})
        await layer.group_send(user_group(trader.pk), {"type": "watchlist.changed"})

        for tab in (one, two):
            assert await tab.hear("notice") == {"type": "notice", "kind": "evicted", "text": "Removed INFY."}
            await tab.hear("watchlist_changed")


async def test_what_is_not_understood_is_refused_and_the_socket_lives(hub: QuoteHub, trader: User) -> None:
    async with open_tab(hub, trader) as tab:
        await tab.socket.send_to(text_data="{")
        assert (await tab.hear("error"))["code"] == "bad_json"
        await tab.say(type="buy")
        assert (await tab.hear("error"))["code"] == "unknown_type"
        await tab.say(type="ping")
        await tab.hear("pong")


@pytest.mark.parametrize("payload", [{"text_data": " " * 16_385}, {"bytes_data": b"\0"}])
async def test_a_client_that_speaks_no_language_of_ours_is_closed(
    hub: QuoteHub, trader: User, payload: dict[str, Any]
) -> None:
    async with open_tab(hub, trader) as tab:
        await tab.hear("welcome")

        await tab.socket.send_to(**payload)

        assert await tab.closed_with() == 4400


async def test_watches_are_limited_in_number_and_in_size(hub: QuoteHub, trader: User) -> None:
    ids = [one.pk for one in await database_sync_to_async(factories.make_equities)(2_500)]
    async with open_tab(hub, trader) as tab:
        await tab.say(type="watch", id="one", instruments=ids[:1_500])
        await tab.hear("watching")
        await tab.say(type="watch", id="two", instruments=ids[999:2_500])
        assert (await tab.hear("error"))["code"] == "too_many"
        for number in range(15):
            await tab.say(type="watch", id=f"more{number}", instruments=ids[:1])
            await tab.hear("watching")
        await tab.say(type="watch", id="seventeenth", instruments=ids[:1])
        assert (await tab.hear("error"))["code"] == "too_many"
        await tab.say(type="unwatch", id="one")
        await tab.say(type="watch", id="seventeenth", instruments=ids[:1])
        await tab.hear("watching", id="seventeenth")


@asynccontextmanager
async def silent_broker() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Give the address of a broker that takes requests and does not answer, and the event of the first one."""
    asked, end = asyncio.Event(), asyncio.Event()

    async def keep_waiting(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await end.wait()
        writer.close()

    async with await asyncio.start_server(keep_waiting, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}", asked
        end.set()


async def test_prices_flow_while_a_watch_waits_for_the_broker(
    hub: QuoteHub, owner: Owner, trader: User, listing: Listing, settings: Any
) -> None:
    settings.MARKET_DATE = NOW.date()
    spot = listing.spots["NIFTY"].pk
    async with open_tab(hub, trader) as tab, silent_broker() as (url, asked):
        settings.DHAN_REST_URL = url
        settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = "1000000001", "token"
        await owner.change({spot: 25_000.0})
        await tab.say(type="watch", id="strip", instruments=[spot])
        await tab.see(lambda held: held == {spot: 25_000.0})

        await tab.say(type="watch", id="chain", chain={"symbol": "TCS"})
        async with asyncio.timeout(2):
            await asked.wait()
            for price in (25_001.0, 25_002.0, 25_003.0, 25_004.0):
                await owner.change({spot: price})
                await tab.see(lambda held, price=price: held == {spot: price})  # type: ignore[misc]
            await tab.say(type="ping")
            await tab.hear("pong")


async def test_of_several_watches_under_one_name_only_the_newest_is_answered(
    hub: QuoteHub, trader: User, listing: Listing, settings: Any
) -> None:
    settings.MARKET_DATE = NOW.date()
    spot = listing.spots["NIFTY"].pk
    async with open_tab(hub, trader) as tab:
        async with silent_broker() as (url, asked):
            settings.DHAN_REST_URL = url
            settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = "1000000001", "token"
            await tab.say(type="watch", id="one", chain={"symbol": "TCS"})
            await asked.wait()
            await tab.say(type="watch", id="one", chain={"symbol": "NOSUCH"})
            await tab.say(type="watch", id="one", instruments=[spot])
            await tab.say(type="ping")
            await tab.hear("pong")

        await tab.hear("watching", id="one")

    assert "error" not in tab.kinds


async def test_a_fault_of_ours_closes_the_socket_and_the_browser_may_come_back(
    hub: QuoteHub, trader: User, settings: Any
) -> None:
    async with open_tab(hub, trader, review=0.1) as tab:
        await tab.hear("welcome")

        settings.SESSION_ENGINE = "no.such.engine"

        assert await tab.closed_with() == 4409


async def test_ids_of_no_instrument_are_left_out_of_a_watch(hub: QuoteHub, trader: User, listing: Listing) -> None:
    spot = listing.spots["NIFTY"].pk
    async with open_tab(hub, trader) as tab:
        await tab.say(type="watch", id="strip", instruments=[4_000_000_000, spot, 4_000_000_001, spot])

        watching = await tab.hear("watching")

    assert (watching["instruments"], watching["not_streaming"]) == ([spot], [spot])


async def test_a_resync_is_answered_with_a_snapshot(
    hub: QuoteHub, owner: Owner, trader: User, listing: Listing
) -> None:
    spot = listing.spots["NIFTY"].pk
    await owner.change({spot: 25_000.0})
    async with open_tab(hub, trader) as tab:
        await tab.say(type="watch", id="strip", instruments=[spot])
        await tab.see(lambda held: spot in held)
        before = len(tab.frames)

        await tab.say(type="resync")

        await tab.see(lambda _: any(frame.kind == 1 for frame in tab.frames[before:]))
