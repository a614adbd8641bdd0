"""The browser socket from the handshake on: login sessions, origins, notices, errors."""

from collections.abc import Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer

from accounts.models import User
from marketdata.notices import user_group
from marketdata.streaming.hub import QuoteHub
from tests.integration.marketdata.streaming.frame_publishers import FramePublisher
from tests.integration.watchlists.consumer.browser_sockets import (
    HOST,
    change_password,
    change_password_on_the_page,
    deactivate,
    delete_sessions,
    log_out,
    make_communicator,
    open_socket,
    session_cookie,
)
from watchlists.login_monitor import LoginMonitor
from watchlists.shared_watches import SharedWatches

pytestmark = [pytest.mark.asyncio, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("seeded")]


async def test_a_trader_gets_the_welcome_and_the_state_of_the_feed(
    hub: QuoteHub, publisher: FramePublisher, trader: User
) -> None:
    async with open_socket(hub, trader) as browser:
        welcome = await browser.receive("welcome")
        feed = await browser.receive("feed", state="partial")

    assert welcome == {
        "type": "welcome",
        "protocol": 1,
        "epoch": hub.epoch,
        "rate": 4,
        "max_instruments": 2_000,
    }
    assert (feed["live"], feed["total"]) == (1, 5)


async def test_a_socket_without_a_login_is_closed_with_4401(hub: QuoteHub) -> None:
    async with open_socket(hub, None) as browser:
        assert await browser.receive_close_code() == 4401


@pytest.mark.parametrize("origin", ["", "http://evil.example", f"http://{HOST}:8001", f"http://{HOST}.evil.example"])
async def test_pages_of_other_origins_are_refused_at_the_handshake(hub: QuoteHub, trader: User, origin: str) -> None:
    cookie = await database_sync_to_async(session_cookie)(trader)
    socket = make_communicator(hub, cookie, origin=origin, shared=SharedWatches(), logins=LoginMonitor())

    is_accepted, _ = await socket.connect(timeout=8)

    assert not is_accepted
    await socket.disconnect(timeout=8)


@pytest.mark.parametrize(
    "end", [change_password, change_password_on_the_page, deactivate, delete_sessions, User.delete]
)
async def test_the_end_of_the_login_closes_the_socket_at_once(
    hub: QuoteHub, trader: User, end: Callable[[User], object]
) -> None:
    # The next check of all sockets is a minute away.
    async with open_socket(hub, trader, review=60) as browser:
        await browser.receive("welcome")

        await database_sync_to_async(end)(trader)

        assert await browser.receive_close_code() == 4401


async def test_a_log_out_closes_only_the_sockets_of_its_own_login(hub: QuoteHub, trader: User) -> None:
    async with open_socket(hub, trader) as other, open_socket(hub, trader) as browser:
        await browser.receive("welcome")
        await other.receive("welcome")

        await database_sync_to_async(log_out)(browser.cookie)

        assert await browser.receive_close_code() == 4401
        await other.send(type="ping")
        await other.receive("pong")


async def test_a_login_that_ended_without_an_announcement_is_found_by_the_next_check(
    hub: QuoteHub, trader: User
) -> None:
    async with open_socket(hub, trader, review=0.1) as browser:
        await browser.receive("welcome")

        await database_sync_to_async(User.objects.filter(pk=trader.pk).update)(is_active=False)

        assert await browser.receive_close_code() == 4401


async def test_notices_and_list_changes_reach_every_tab_of_a_trader(hub: QuoteHub, trader: User) -> None:
    layer = get_channel_layer()
    assert layer is not None
    async with open_socket(hub, trader) as one, open_socket(hub, trader) as two:
        for browser in (one, two):
            await browser.receive("welcome")

        await layer.group_send(user_group(trader.pk), {"type": "notice", "kind": "evicted", "text": "Removed INFY."})
        await layer.group_send(user_group(trader.pk), {"type": "watchlist.changed"})

        for browser in (one, two):
            assert await browser.receive("notice") == {"type": "notice", "kind": "evicted", "text": "Removed INFY."}
            await browser.receive("watchlist_changed")


async def test_an_invalid_message_is_answered_with_an_error_and_the_socket_stays_open(
    hub: QuoteHub, trader: User
) -> None:
    async with open_socket(hub, trader) as browser:
        await browser.socket.send_to(text_data="{")
        assert (await browser.receive("error"))["code"] == "bad_json"
        await browser.send(type="buy")
        assert (await browser.receive("error"))["code"] == "unknown_type"
        await browser.send(type="ping")
        await browser.receive("pong")


@pytest.mark.parametrize("payload", [{"text_data": " " * 16_385}, {"bytes_data": b"\0"}])
async def test_a_message_that_is_too_large_or_binary_closes_the_socket(
    hub: QuoteHub, trader: User, payload: dict[str, Any]
) -> None:
    async with open_socket(hub, trader) as browser:
        await browser.receive("welcome")

        await browser.socket.send_to(**payload)

        assert await browser.receive_close_code() == 4400


async def test_a_server_error_closes_the_socket_with_a_code_that_allows_to_reconnect(
    hub: QuoteHub, trader: User, settings: Any
) -> None:
    async with open_socket(hub, trader, review=0.1) as browser:
        await browser.receive("welcome")

        del settings.AUTHENTICATION_BACKENDS

        assert await browser.receive_close_code() == 4409
