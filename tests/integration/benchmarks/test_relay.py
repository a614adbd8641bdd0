"""The relay passes everything on, records what it reads, and hides no end of a socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from socket import SO_LINGER, SOL_SOCKET

import pytest

from benchmarks.chaos.relay import RESET_ON_CLOSE, running_relay
from benchmarks.chaos.wire import WireRecord
from devstack.ports import choose_port
from marketdata.dhan import requests
from tests.unit.benchmarks.chaos.test_websocket import ACCEPTED, REQUEST, frame
from tests.unit.benchmarks.chaos.wires import NOW, key_of, make_packet, wire_key
from tests.waiting import wait_until_async

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SUBSCRIBE = requests.encode(requests.Request(requests.RequestCode.SUBSCRIBE_FULL, (key_of(1),))).encode()

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def relayed(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[tuple[WireRecord, Streams]]:
    """Yield the record of a relay and a client behind it, whose other end is served by `serve`."""
    wire, port, target_port = WireRecord(), choose_port(), choose_port()
    has_served = asyncio.Event()

    async def serve_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)
        await close(writer)
        has_served.set()

    server = await asyncio.start_server(serve_once, "127.0.0.1", target_port)
    async with server, running_relay(wire, port=port, target_port=target_port):
        client = await asyncio.open_connection("127.0.0.1", port)
        yield wire, client
        await close(client[1])
        async with asyncio.timeout(5):
            await has_served.wait()


async def close(writer: asyncio.StreamWriter) -> None:
    """Close a stream, and wait until its socket is closed: a later test would be told of an open one."""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_requests_and_packets_pass_unchanged_and_are_recorded() -> None:
    received = asyncio.Queue[bytes]()
    packet = make_packet(1, 100.0, at=NOW)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await received.put(await reader.readexactly(len(REQUEST) + len(frame(SUBSCRIBE, mask=b"abcd"))))
        writer.write(ACCEPTED + frame(packet))
        await reader.read()

    async with relayed(serve) as (wire, (reader, writer)):
        writer.write(REQUEST)
        writer.write(frame(SUBSCRIBE, opcode=1, mask=b"abcd"))
        assert await received.get() == REQUEST + frame(SUBSCRIBE, opcode=1, mask=b"abcd")
        assert await reader.readexactly(len(ACCEPTED) + len(frame(packet))) == ACCEPTED + frame(packet)

        assert [one.ltp for one in wire.streams[wire_key(1)].prices_between(0, NOW * 2) if one] == [100.0]
        writer.close()
        await wait_until_async(lambda: not wire.open_links(), message="the record of the socket has ended")


async def test_a_reset_by_the_broker_reaches_the_client_as_a_reset() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(REQUEST))
        writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, RESET_ON_CLOSE)
        writer.transport.abort()

    async with relayed(serve) as (_, (reader, writer)):
        writer.write(REQUEST)
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_a_broker_that_closes_normally_ends_the_socket_of_the_client() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(REQUEST))
        writer.write(ACCEPTED)

    async with relayed(serve) as (wire, (reader, writer)):
        writer.write(REQUEST)
        assert await reader.read() == ACCEPTED
        await wait_until_async(lambda: wire.opened == 1 and not wire.open_links(), message="the socket is recorded")
