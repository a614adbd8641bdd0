"""The browser's socket from the handshake on: sessions, origins, notices, faults."""

from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer

from accounts.models import User
from marketdata.notices import user_group
from marketdata.streaming.hub import QuoteHub
from tests.integration.marketdata.streaming.owners import Owner
from tests.integration.watchlists.consumer.tabs import HOST, change_password, communicator, open_tab, session_cookie

pytestmark = [pytest.mark.asyncio, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("seeded")]


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


async def test_a_fault_of_ours_closes_the_socket_and_the_browser_may_come_back(
    hub: QuoteHub, trader: User, settings: Any
) -> None:
    async with open_tab(hub, trader, review=0.1) as tab:
        await tab.hear("welcome")

        settings.SESSION_ENGINE = "no.such.engine"

        assert await tab.closed_with() == 4409
