"""One owner on an event loop: what it makes of sockets that end, and what it and its publisher say is gone."""

import asyncio
import base64
import hashlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

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
from subscriptions.feed.connection.credentials import CredentialsReader
from subscriptions.feed.connection.gate import OpeningGate
from subscriptions.feed.connection.owner import Owner
from subscriptions.feed.ownership.keeper import LeaseKeeper
from subscriptions.feed.ownership.statements import GATE, Lease, connection_parameters
from subscriptions.feed.plan.reconciler import Reconciler
from subscriptions.feed.publishing.publisher import Publisher
from subscriptions.models import FeedConnection, FeedLease
from tests.integration.subscriptions.feed.lease_sessions import OpenSession, is_free
from tests.waiting import wait_until, wait_until_async

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]

FIRST = InstrumentKey(ExchangeSegment.NSE_FNO, 40_472)
SECOND = InstrumentKey(ExchangeSegment.NSE_FNO, 40_473)
IDS = {FIRST: 1, SECOND: 2}
BOTH = dict.fromkeys(IDS, Mode.FULL)


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
async def running_owner(
    keeper: LeaseKeeper, url: str, *, is_confirmed: Callable[[], bool] = lambda: True
) -> AsyncIterator[Owner]:
    owner, gate = Owner(Lease(1, 1), is_confirmed=is_confirmed), OpeningGate(keeper, pause_seconds=0)
    credentials_reader = CredentialsReader(lambda: Credentials("100", "token"))
    works = [gate.run(), owner.run(url=url, gate=gate, credentials_reader=credentials_reader)]
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield owner
    finally:
        owner.abort()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Upgrade, say 806 and close, all in one segment."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line.split(": ")[1] for line in request.split("\r\n") if line.lower().startswith("sec-websocket-key"))
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # noqa: S324  RFC 6455
    accept = base64.b64encode(digest).decode()
    said = packets.encode(DisconnectPacket(806))
    writer.write(
        f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        + bytes([0x82, len(said)])
        + said
        + bytes([0x88, 2, 0x03, 0xE8])
    )
    await writer.drain()
    writer.close()


def test_a_reason_that_comes_with_the_upgrade_is_heeded(keeper: LeaseKeeper) -> None:
    async def live() -> None:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with running_owner(keeper, f"ws://127.0.0.1:{port}") as owner:
                await wait_until_async(lambda: owner.last_error != "", message="a reason")

                assert owner.last_error == "806: the account has no data subscription"
                assert owner.state is ConnectionState.STOPPED

    asyncio.run(live())


def test_what_was_not_wanted_any_more_during_an_outage_is_forgotten(keeper: LeaseKeeper) -> None:
    async def live() -> None:
        sockets: list[ServerConnection] = []

        async def listen(socket: ServerConnection) -> None:
            sockets.append(socket)
            await socket.wait_closed()

        async with serve(listen, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with running_owner(keeper, f"ws://127.0.0.1:{port}") as owner:
                await wait_until_async(lambda: owner.state is ConnectionState.SUBSCRIBING, message="a socket")
                owner.set_plan(BOTH, IDS)
                assert owner.state is ConnectionState.SUBSCRIBING
                for request in owner.list_commands():
                    owner.send(request)
                assert (len(owner.table), owner.state) == (2, ConnectionState.LIVE)

                await sockets[0].close()
                await wait_until_async(lambda: owner.state is ConnectionState.RECONNECTING, message="an outage")
                owner.set_plan({FIRST: Mode.FULL}, {FIRST: 1})
                await wait_until_async(
                    lambda: len(sockets) == 2 and owner.state is ConnectionState.SUBSCRIBING, message="another socket"
                )

                assert (len(owner.table), owner.dropped) == (1, {2})

    asyncio.run(live())


def test_an_owner_that_is_not_sure_of_its_lease_opens_nothing_and_says_nothing(
    keeper: LeaseKeeper, open_session: OpenSession
) -> None:
    sure = threading.Event()
    first = iter([True])  # Sure before it goes to the gate, and there not any more.
    sockets: list[ServerConnection] = []
    messages: list[str | bytes] = []
    another = open_session("another")

    async def listen(socket: ServerConnection) -> None:
        sockets.append(socket)
        async for message in socket:
            messages.append(message)  # noqa: PERF401  They are looked at as they come.

    async def live() -> None:
        async with serve(listen, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with running_owner(keeper, url, is_confirmed=lambda: next(first, False) or sure.is_set()) as owner:
                await wait_until_async(lambda: not is_free(another, GATE), message="its turn at the gate")
                assert (sockets, owner.state) == ([], ConnectionState.OPENING)
                sure.set()
                await wait_until_async(lambda: owner.has_socket, message="a socket")

                sure.clear()
                reconciler = Reconciler(owner, pause_seconds=0)
                sending = asyncio.create_task(reconciler.send_forever())
                owner.set_plan(BOTH, IDS)
                await wait_until_async(lambda: not owner.plan_changed.is_set(), message="the plan is read")
                assert (messages, owner.sent) == ([], {})
                sure.set()
                await wait_until_async(lambda: len(messages) == 1, message="the plan is sent")
                sending.cancel()
                await asyncio.wait([sending])

    asyncio.run(live())


def test_what_is_dropped_is_told_to_the_mirrors_by_a_full_frame(redis_url: str, redis_prefix: str) -> None:
    async def live() -> None:
        async with asyncio.timeout(10), redis.asyncio.Redis.from_url(redis_url) as client:
            owner = Owner(Lease(1, 1))
            owner.set_plan(BOTH, IDS)
            owner.table.add(IDS)
            for key in IDS:
                owner.table.append(packets.encode(OiTick(key, 7)))
            publisher = Publisher(owner, OwnerBoard(client, redis_prefix), name="test", flush_seconds=0.05)
            async with HubBoard(client, redis_prefix).frames() as frames:
                publishing = asyncio.create_task(publisher.run())
                assert (await anext(frames)).kind is FrameKind.CHANGES

                owner.set_plan({FIRST: Mode.FULL}, {FIRST: 1})

                full = await anext(frames)
                assert (full.kind, full.sequence, full.rows["instrument_id"].tolist()) == (FrameKind.FULL, 1, [1])
                assert (await anext(frames)).kind is FrameKind.CHANGES
                publishing.cancel()
                await asyncio.wait([publishing])
                await sync_to_async(connections.close_all)()

    asyncio.run(live())


def test_reports_go_on_while_the_database_hangs(redis_url: str, redis_prefix: str) -> None:
    lease = Lease(1, FeedLease.objects.get(connection_id=1).epoch)

    async def live() -> None:
        async with asyncio.timeout(10), redis.asyncio.Redis.from_url(redis_url) as client:
            hub, owner = HubBoard(client, redis_prefix), Owner(lease)
            publishing = asyncio.create_task(
                Publisher(owner, OwnerBoard(client, redis_prefix), name="test", flush_seconds=0.05).run()
            )
            said: set[int] = set()
            while len(said) < 3:
                said |= {one.reported_at_ms for one in await hub.list_reports()}
                await asyncio.sleep(0.05)
            assert await asyncio.to_thread(read_state) == before
            holder.rollback()
            await asyncio.to_thread(
                wait_until, lambda: read_state() == "opening", seconds=5, message="the state is noted"
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
    with psycopg.connect(**parameters) as holder:
        holder.execute("SELECT number FROM feed_connections WHERE number = 1 FOR UPDATE")
        asyncio.run(live())
