"""Sockets to a broker that refuses, closes or stops sending, and the `Disconnect` of each case."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from socket import SO_LINGER, SOL_SOCKET

import pytest
from picows import WSListener, WSUpgradeRequest, ws_create_server
from websockets.asyncio.server import ServerConnection, serve

from marketdata.dhan.credentials import Credentials
from marketdata.dhan.disconnects import Reaction
from marketdata.dhan.requests import Request, RequestCode
from subscriptions.domain.connection_life import Disconnect, DisconnectCause
from subscriptions.feed.connection import socket
from subscriptions.feed.connection.socket import KeepaliveTimeouts, RefusedError, open_socket

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


def test_an_idle_socket_without_pongs_is_dropped() -> None:
    disconnect = asyncio.run(wait_lost(is_answering=False))

    assert disconnect == Disconnect(Reaction.COME_BACK, "dropped without a close frame")


def test_an_idle_socket_with_pongs_stays_open() -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(wait_lost(is_answering=True))


def test_a_half_open_socket_is_detected_within_25_seconds_and_after_the_brokers_ping() -> None:
    keepalive = socket.KEEPALIVE

    assert keepalive.idle_seconds > 10
    assert keepalive.idle_seconds + keepalive.reply_seconds < 25


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answering(reply: bytes) -> Answer:
    """Return a server callback that answers the upgrade with these bytes and closes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    return answer


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reset the connection instead of an answer."""
    await reader.readuntil(b"\r\n\r\n")
    raw = writer.get_extra_info("socket")
    raw.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def read_refusal(answer: Answer) -> Disconnect:
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(RefusedError) as refused:
            await open_socket(url, CREDENTIALS, lambda _message: None)
    assert "token" not in str(refused.value)
    assert refused.value.__cause__ is None
    return refused.value.disconnect


@pytest.mark.parametrize(
    ("answer", "reaction", "reason", "cause", "is_doubtful"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Reaction.COME_BACK, "the handshake was refused with 400", "broker", True),
        (b"HTTP/1.1 429 Slow\r\n\r\n", Reaction.WAIT, "the handshake was refused with 429", "broker", False),
        (b"", None, None, "network", True),
    ],
)
def test_a_refused_handshake_has_a_reason_and_may_be_a_token_refusal(
    answer: bytes, reaction: Reaction | None, reason: str | None, cause: str, is_doubtful: bool
) -> None:
    disconnect = asyncio.run(read_refusal(answering(answer)))

    assert (disconnect.cause, disconnect.is_doubtful) == (cause, is_doubtful)
    assert reaction in {None, disconnect.reaction}
    assert reason in {None, disconnect.reason}


def test_a_reset_during_the_handshake_may_be_a_token_refusal() -> None:
    disconnect = asyncio.run(read_refusal(reset))

    assert disconnect.is_doubtful
    assert disconnect.reaction is Reaction.COME_BACK


def test_an_unreachable_broker_is_a_network_fault() -> None:
    async def refuse() -> Disconnect:
        with pytest.raises(RefusedError) as refused:
            await open_socket("ws://127.0.0.1:1", CREDENTIALS, lambda _message: None)
        return refused.value.disconnect

    disconnect = asyncio.run(refuse())

    assert disconnect.reason.startswith("the broker cannot be reached: ")
    assert not disconnect.is_doubtful


def test_a_fragmented_message_is_joined_and_the_close_frame_gives_the_reason() -> None:
    received: list[bytes] = []

    async def send_pieces(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send([b"first ", b"second"])
        await socket.send(b"whole")
        await socket.close(4_001)

    async def scenario() -> Disconnect:
        async with serve(send_pieces, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            socket = await open_socket(url, CREDENTIALS, received.append)
            socket.send(Request(RequestCode.DISCONNECT))
            async with asyncio.timeout(5):
                return await socket.wait_lost()

    assert asyncio.run(scenario()) == Disconnect(
        Reaction.COME_BACK, "closed by the broker with 4001", DisconnectCause.BROKER
    )
    assert received == [b"first second", b"whole"]
