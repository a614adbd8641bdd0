"""One connection on an event loop: ended sockets, an unconfirmed lease, and the frames of its publisher."""

import asyncio
import base64
import hashlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

import psycopg
import pytest
import redis.asyncio
from asgiref.sync import sync_to_async
from django.db import connections
from websockets.asyncio.server import ServerConnection, serve

from marketdata.dhan import packets
from marketdata.dhan.credentials import Credentials
from marketdata.dhan.packets import DisconnectPacket
from marketdata.domain.feed import ConnectionState
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quote_rows import FrameKind
from marketdata.domain.quotes import Mode, OiTick
from marketdata.quote_board import HubBoard, OwnerBoard
from subscriptions.domain.wanted import WantedInstrument
from subscriptions.domain.watchdog import Limits
from subscriptions.feed.connection.credentials import CredentialsReader
from subscriptions.feed.connection.gate import OpeningGate
from subscriptions.feed.connection.life import ConnectionLifecycle
from subscriptions.feed.connection.monitor import DataMonitor
from subscriptions.feed.connection.replacements import Replacements
from subscriptions.feed.ownership.keeper import LeaseKeeper
from subscriptions.feed.ownership.statements import GATE, Lease, connection_parameters
from subscriptions.feed.plan.arrivals import Arrivals
from subscriptions.feed.plan.reconciler import Reconciler
from subscriptions.feed.publishing.publisher import Publisher
from subscriptions.models import FeedConnection, FeedLease
from tests.integration.subscriptions.feed.broken_tables import missing_table
from tests.integration.subscriptions.feed.lease_sessions import OpenSession, is_free
from tests.waiting import wait_until, wait_until_async

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]

FIRST = InstrumentKey(ExchangeSegment.NSE_FNO, 40_472)
SECOND = InstrumentKey(ExchangeSegment.NSE_FNO, 40_473)
ONE = [WantedInstrument(1, FIRST, Mode.FULL)]
BOTH = [*ONE, WantedInstrument(2, SECOND, Mode.FULL)]


@pytest.fixture
def keeper() -> Iterator[LeaseKeeper]:
    parameters = connection_parameters(connections["default"].settings_dict)
    one = LeaseKeeper(parameters, owner="test", limit=0, on_change=lambda _leases: None)
    thread = threading.Thread(target=one.run)
    thread.start()
    yield one
    one.stop()
    thread.join(5)


@asynccontextmanager
async def running_lifecycle(
    keeper: LeaseKeeper, url: str, *, is_confirmed: Callable[[], bool] = lambda: True
) -> AsyncIterator[ConnectionLifecycle]:
    lifecycle, gate = ConnectionLifecycle(Lease(1, 1), is_confirmed=is_confirmed), OpeningGate(keeper, pause_seconds=0)
    credentials = CredentialsReader(lambda: Credentials("100", "token"))
    works = [gate.run(), lifecycle.run(url=url, gate=gate, credentials=credentials)]
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield lifecycle
    finally:
        lifecycle.abort()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Upgrade, send 806 and close, all in one segment."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line.split(": ")[1] for line in request.split("\r\n") if line.lower().startswith("sec-websocket-key"))
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # noqa: S324  RFC 6455
    accept = base64.b64encode(digest).decode()
    packet = packets.encode(DisconnectPacket(806))
    writer.write(
        f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        + bytes([0x82, len(packet)])
        + packet
        + bytes([0x88, 2, 0x03, 0xE8])
    )
    await writer.drain()
    writer.close()


def test_a_disconnect_packet_in_the_segment_of_the_upgrade_is_read(keeper: LeaseKeeper) -> None:
    async def scenario() -> None:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with running_lifecycle(keeper, f"ws://127.0.0.1:{port}") as lifecycle:
                await wait_until_async(lambda: lifecycle.last_error != "", message="a reason")

                assert lifecycle.last_error == "806: the account has no data subscription"
                assert lifecycle.state is ConnectionState.STOPPED

    asyncio.run(scenario())


def test_instruments_removed_during_an_outage_are_deleted_from_the_table(keeper: LeaseKeeper) -> None:
    async def scenario() -> None:
        sockets: list[ServerConnection] = []

        async def listen(socket: ServerConnection) -> None:
            sockets.append(socket)
            await socket.wait_closed()

        async with serve(listen, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with running_lifecycle(keeper, f"ws://127.0.0.1:{port}") as lifecycle:
                await wait_until_async(lambda: lifecycle.state is ConnectionState.SUBSCRIBING, message="a socket")
                lifecycle.replace_plan(BOTH)
                assert lifecycle.state is ConnectionState.SUBSCRIBING
                for request in lifecycle.list_commands():
                    lifecycle.send(request)
                assert (len(lifecycle.table), lifecycle.state) == (2, ConnectionState.LIVE)

                await sockets[0].close()
                await wait_until_async(lambda: lifecycle.state is ConnectionState.RECONNECTING, message="an outage")
                lifecycle.replace_plan(ONE)
                await wait_until_async(
                    lambda: len(sockets) == 2 and lifecycle.state is ConnectionState.SUBSCRIBING,
                    message="another socket",
                )

                assert (len(lifecycle.table), lifecycle.take_removed_ids()) == (1, {2})

    asyncio.run(scenario())


def test_a_lifecycle_without_a_confirmed_lease_opens_nothing_and_sends_nothing(
    keeper: LeaseKeeper, open_session: OpenSession
) -> None:
    confirmed = threading.Event()
    first = iter([True])  # Confirmed before the gate, not confirmed in the gate.
    sockets: list[ServerConnection] = []
    messages: list[str | bytes] = []
    another = open_session("another")

    async def listen(socket: ServerConnection) -> None:
        sockets.append(socket)
        async for message in socket:
            messages.append(message)  # noqa: PERF401  The test reads the list while messages arrive.

    async def scenario() -> None:
        async with serve(listen, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with running_lifecycle(
                keeper, url, is_confirmed=lambda: next(first, False) or confirmed.is_set()
            ) as lifecycle:
                await wait_until_async(lambda: not is_free(another, GATE), message="it owns the gate")
                assert (sockets, lifecycle.state) == ([], ConnectionState.OPENING)
                confirmed.set()
                await wait_until_async(lambda: lifecycle.has_socket, message="a socket")

                confirmed.clear()
                reconciler = Reconciler(lifecycle, pause_seconds=0)
                sending = asyncio.create_task(reconciler.send_forever())
                lifecycle.replace_plan(BOTH)
                await wait_until_async(lambda: not lifecycle.plan.has_changed, message="the plan is read")
                assert (messages, lifecycle.plan.sent) == ([], {})
                confirmed.set()
                await wait_until_async(lambda: len(messages) == 1, message="the plan is sent")
                sending.cancel()
                await asyncio.wait([sending])

    asyncio.run(scenario())


def test_the_monitor_does_not_drain_packets(keeper: LeaseKeeper) -> None:
    checks = 0

    async def send_one(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(packets.encode(OiTick(FIRST, 7)))
        await socket.wait_closed()

    def is_expected(_segment: ExchangeSegment, _at: datetime) -> bool:
        nonlocal checks
        checks += 1
        return False

    async def scenario() -> None:
        async with serve(send_one, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with running_lifecycle(keeper, url) as lifecycle:
                await wait_until_async(lambda: lifecycle.has_socket, message="a socket")
                lifecycle.replace_plan(ONE)
                replacements = Replacements(keeper, 1)
                monitor = DataMonitor(lifecycle, limits=Limits(), is_expected=is_expected, replacements=replacements)
                monitoring = asyncio.create_task(monitor.run())
                for request in lifecycle.list_commands():
                    lifecycle.send(request)

                before = checks
                await wait_until_async(lambda: checks >= before + 4, message="four checks")

                await wait_until_async(lambda: lifecycle.drain() == 1, message="the packet is left for the flush")
                monitoring.cancel()
                await asyncio.wait([monitoring])

    asyncio.run(scenario())


def test_a_move_that_fails_to_finish_is_retried(keeper: LeaseKeeper, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "subscriptions.feed.plan.arrivals")
    arriving = [replace(one, is_arriving=True) for one in ONE]

    async def send_one(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(packets.encode(OiTick(FIRST, 7)))
        await socket.wait_closed()

    async def scenario() -> None:
        async with serve(send_one, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with running_lifecycle(keeper, url) as lifecycle:
                await wait_until_async(lambda: lifecycle.has_socket, message="a socket")
                lifecycle.replace_plan(arriving)
                for request in lifecycle.list_commands():
                    lifecycle.send(request)
                assert lifecycle.list_arriving() == {1: False}
                await wait_until_async(lambda: lifecycle.drain() == 1, message="a packet")
                assert lifecycle.list_arriving() == {1: True}

                with missing_table("subscriptions"):
                    finishing = asyncio.create_task(Arrivals(lifecycle).run())
                    await wait_until_async(lambda: "1 moves not finished" in caplog.text, message="the error is logged")
                await wait_until_async(lambda: "moves finished" in caplog.text, message="the move is finished")
                finishing.cancel()
                await asyncio.wait([finishing])
                await sync_to_async(connections.close_all)()

    asyncio.run(scenario())


def test_removed_rows_are_published_by_a_full_frame(redis_url: str, redis_prefix: str) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(10), redis.asyncio.Redis.from_url(redis_url) as client:
            lifecycle = ConnectionLifecycle(Lease(1, 1))
            lifecycle.replace_plan(BOTH)
            lifecycle.table.add({FIRST: 1, SECOND: 2})
            for key in (FIRST, SECOND):
                lifecycle.table.append(packets.encode(OiTick(key, 7)))
            publisher = Publisher(lifecycle, OwnerBoard(client, redis_prefix), name="test", flush_seconds=0.05)
            async with HubBoard(client, redis_prefix).frames() as frames:
                publishing = asyncio.create_task(publisher.run())
                assert (await anext(frames)).kind is FrameKind.CHANGES

                lifecycle.replace_plan(ONE)

                full = await anext(frames)
                assert (full.kind, full.sequence, full.rows["instrument_id"].tolist()) == (FrameKind.FULL, 1, [1])
                assert (await anext(frames)).kind is FrameKind.CHANGES
                publishing.cancel()
                await asyncio.wait([publishing])
                await sync_to_async(connections.close_all)()

    asyncio.run(scenario())


def test_reports_continue_while_the_database_hangs(redis_url: str, redis_prefix: str) -> None:
    lease = Lease(1, FeedLease.objects.get(connection_id=1).epoch)

    async def scenario() -> None:
        async with asyncio.timeout(10), redis.asyncio.Redis.from_url(redis_url) as client:
            hub, lifecycle = HubBoard(client, redis_prefix), ConnectionLifecycle(lease)
            publishing = asyncio.create_task(
                Publisher(lifecycle, OwnerBoard(client, redis_prefix), name="test", flush_seconds=0.05).run()
            )
            reported: set[int] = set()

            async def has_reported() -> bool:
                reported.update(one.reported_at_ms for one in await hub.list_reports())
                return len(reported) >= 3

            await wait_until_async(has_reported, message="three reports")
            assert await asyncio.to_thread(read_state) == before
            locking.rollback()
            await asyncio.to_thread(
                wait_until, lambda: read_state() == "opening", seconds=5, message="the state is recorded"
            )
            publishing.cancel()
            await asyncio.wait([publishing])
            await sync_to_async(connections.close_all)()

    def read_state() -> str:
        try:
            return FeedConnection.objects.get(number=1).state
        finally:
            connections.close_all()

    before = read_state()
    assert before != "opening"
    parameters = connection_parameters(connections["default"].settings_dict)
    with psycopg.connect(**parameters) as locking:
        locking.execute("SELECT number FROM feed_connections WHERE number = 1 FOR UPDATE")
        asyncio.run(scenario())
