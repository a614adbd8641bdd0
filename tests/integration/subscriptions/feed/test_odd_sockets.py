"""Any bytes of the broker, before and after the handshake: a refusal or a disconnect, never another error."""

import asyncio
import base64
import hashlib
import re
import struct
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from marketdata.dhan.credentials import Credentials
from subscriptions.domain.connection_life import Disconnect
from subscriptions.feed.connection.socket import KeepaliveTimeouts, RefusedError, open_socket

CREDENTIALS = Credentials("100", "a-very-secret-token")
KEEPALIVE = KeepaliveTimeouts(idle_seconds=2.0, reply_seconds=2.0)
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
BINARY, CONTINUATION = 2, 0  # Opcodes without the bit of the last fragment.
SECONDS = 10.0


def accepting(request: bytes) -> bytes:
    """Return the answer that accepts the handshake in `request`."""
    found = re.search(rb"Sec-WebSocket-Key: (\S+)", request)
    assert found is not None
    accept = base64.b64encode(hashlib.sha1(found[1] + GUID.encode()).digest()).decode()  # noqa: S324  the protocol's
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    return "\r\n".join([*lines, f"Sec-WebSocket-Accept: {accept}", "", ""]).encode()


async def ending(*, handshake: bytes | None, sent: bytes = b"") -> tuple[Disconnect, list[bytes]]:
    """Return how a socket ends, and its messages; the broker answers `handshake` (None: accepts), sends and closes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write((accepting(request) if handshake is None else handshake) + sent)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    received: list[bytes] = []
    async with server, asyncio.timeout(SECONDS):
        try:
            socket = await open_socket(url, CREDENTIALS, received.append, keepalive=KEEPALIVE)
        except RefusedError as refusal:
            return refusal.disconnect, received
        return await socket.wait_lost(), received


@pytest.mark.parametrize(
    "handshake",
    [
        b"",
        b"\r\n\r\n",
        b"no http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\n\r\n",
        b"HTTP/1.1 -1 Odd\r\n\r\n",
        b"HTTP/1.1 abc Odd\r\n\r\n",
        b"HTTP/1.1 503\r\n\r\n",
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: never\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:9/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Odd\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
        b"HTTP/1.1 101 \xff\xfe\r\nno header\r\n\xff: \xff\r\n\r\n",
        b"HTTP/2 400\r\n\r\n",
        b"x" * 100_000,
    ],
)
def test_an_odd_answer_to_the_handshake_is_a_refusal(handshake: bytes) -> None:
    disconnect, received = asyncio.run(ending(handshake=handshake))

    assert disconnect.reason
    assert "secret" not in disconnect.reason
    assert received == []


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """Return an unmasked frame, as servers send them."""
    return bytes([(0x80 if fin else 0) | opcode, len(payload)]) + payload


@pytest.mark.parametrize(
    "sent",
    [
        frame(8),
        frame(8, b"\x03"),
        frame(8, struct.pack(">H", 0)),
        frame(8, struct.pack(">H", 999)),
        frame(8, struct.pack(">H", 1005)),
        frame(8, struct.pack(">H", 3_000)),
        frame(8, struct.pack(">H", 4_999) + b"why"),
        frame(8, struct.pack(">H", 65_535)),
        frame(8, struct.pack(">H", 1_000) + b"\xff\xfe"),
        frame(8, struct.pack(">H", 1_000)) * 2,
        frame(1, b"text"),
        frame(1, b"\xff\xfe"),
        frame(0, b"continued without a beginning"),
        frame(2, b"a", fin=False) + frame(2, b"b"),
        frame(3, b"reserved"),
        frame(9, b"p" * 125),
        frame(10, b"a pong that nobody requested"),
        b"\x82\xff" + b"\xff" * 8,
        b"\x82\x7f" + struct.pack(">Q", 2**62),
        b"\xf2\x01x",
    ],
)
def test_an_odd_frame_ends_the_socket_with_a_disconnect(sent: bytes) -> None:
    disconnect, _ = asyncio.run(ending(handshake=None, sent=sent))

    assert disconnect.reason


def test_a_message_without_an_end_closes_the_socket_before_it_fills_the_memory() -> None:
    async def scenario() -> Disconnect:
        piece = bytes([127]) + struct.pack(">Q", 2**20) + bytes(2**20)

        async def send_without_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(accepting(await reader.readuntil(b"\r\n\r\n")))
            writer.write(bytes([BINARY]) + piece)
            with suppress(ConnectionError):
                while True:
                    writer.write(bytes([CONTINUATION]) + piece)
                    await writer.drain()

        server = await asyncio.start_server(send_without_end, "127.0.0.1", 0)
        async with server, asyncio.timeout(SECONDS):
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            socket = await open_socket(url, CREDENTIALS, lambda _: None, keepalive=KEEPALIVE)
            return await socket.wait_lost()

    assert asyncio.run(scenario()).reason


def test_messages_before_an_odd_frame_are_received() -> None:
    _, received = asyncio.run(ending(handshake=None, sent=frame(2, b"one") + frame(2, b"two") + b"\xff\xff\xff"))

    assert received == [b"one", b"two"]


@given(
    handshake=st.none() | st.binary(max_size=60).map(lambda tail: b"HTTP/1.1 " + tail + b"\r\n\r\n"), sent=st.binary()
)
@example(handshake=None, sent=frame(8, struct.pack(">H", 4_000)))
def test_any_bytes_end_in_a_refusal_or_a_disconnect(handshake: bytes | None, sent: bytes) -> None:
    disconnect, _ = asyncio.run(ending(handshake=handshake, sent=sent))

    assert isinstance(disconnect, Disconnect)
