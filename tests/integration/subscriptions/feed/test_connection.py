"""Sockets to servers that fall silent: what is half open is dropped, what is only quiet is not."""

import asyncio

import pytest
from picows import WSListener, WSUpgradeRequest, ws_create_server

from marketdata.dhan.credentials import Credentials
from marketdata.dhan.disconnects import Reaction
from subscriptions.domain.connection_life import Disconnect
from subscriptions.feed.connection import socket
from subscriptions.feed.connection.socket import KeepaliveTimeouts, open_socket

CREDENTIALS = Credentials("100", "token")
SHORT = KeepaliveTimeouts(idle_seconds=0.2, reply_seconds=0.2)


def accept(_request: WSUpgradeRequest) -> WSListener:
    return WSListener()


async def wait_lost(*, is_answering: bool) -> Disconnect:
    server = await ws_create_server(accept, "127.0.0.1", 0, enable_auto_pong=is_answering)
    async with server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        socket = await open_socket(url, CREDENTIALS, lambda _message: None, keepalive=SHORT)
        try:
            async with asyncio.timeout(3):
                return await socket.wait_lost()
        finally:
            socket.abort()


def test_a_socket_that_carries_nothing_and_answers_no_ping_is_dropped() -> None:
    disconnect = asyncio.run(wait_lost(is_answering=False))

    assert disconnect == Disconnect(Reaction.COME_BACK, "dropped without a close frame")


def test_a_quiet_socket_that_answers_pings_stays() -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(wait_lost(is_answering=True))


def test_a_half_open_socket_is_noticed_within_25_seconds_and_later_than_the_brokers_own_ping() -> None:
    keepalive = socket.KEEPALIVE

    assert keepalive.idle_seconds > 10
    assert keepalive.idle_seconds + keepalive.reply_seconds < 25
