"""The browser socket behind both real servers; flow control (R21) must not depend on the server."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from django.test import Client
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from accounts.models import User
from marketdata.streaming.frames import BrowserFrameKind
from tests.conftest import unique_prefix
from tests.factories import make_equities
from tests.frame_readers import decode_browser_frame
from tests.integration.marketdata.streaming.frame_publishers import FramePublisher, running_publisher
from tests.web_servers import SERVERS, running_web

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def redis_prefix(suite_redis: redis.Redis) -> Iterator[str]:
    """Yield one key prefix for all tests of this file, which share the web processes."""
    with unique_prefix(suite_redis) as prefix:
        yield prefix


@pytest.fixture(scope="module", params=SERVERS)
def web(
    request: pytest.FixtureRequest,
    redis_prefix: str,
    django_db_setup: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("web")
    with running_web(directory, server=request.param, REDIS_PREFIX=redis_prefix) as address:
        yield address


@pytest.fixture
def cookie(transactional_db: None) -> str:
    client = Client()
    client.force_login(User.objects.create_user("trader1"))
    return client.cookies["sessionid"].value


def open_socket(web: str, cookie: str, *, origin: str | None = None) -> connect:
    return connect(
        f"ws://{web}/ws/market/",
        additional_headers={"Cookie": f"sessionid={cookie}", "Origin": origin or f"http://{web}"},
        compression="deflate",
    )


async def receive(socket: ClientConnection, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        async for payload in socket:
            if isinstance(payload, str) and (message := json.loads(payload))["type"] == kind:
                return dict(message)
    raise AssertionError(f"closed before {kind}")


async def receive_prices(socket: ClientConnection, wanted: dict[int, float]) -> list[BrowserFrameKind]:
    """Apply and acknowledge frames until all `wanted` prices are received; return the kinds of the frames."""
    held: dict[int, float] = {}
    kinds = []
    async with asyncio.timeout(10):
        async for payload in socket:
            if isinstance(payload, bytes):
                frame = decode_browser_frame(payload)
                kinds.append(frame.kind)
                held |= {int(row["instrument_id"]): float(row["ltp"]) for row in frame.rows if row["known"]}
                await socket.send(json.dumps({"type": "ack", "seq": frame.sequence}))
                if wanted.items() <= held.items():
                    return kinds
    raise AssertionError("closed before the prices were received")


def test_prices_reach_a_browser(web: str, cookie: str, own_board: str, redis_url: str) -> None:
    one, other = (share.pk for share in make_equities(2))

    async def browse() -> list[BrowserFrameKind]:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            publisher = FramePublisher(client, own_board)
            await publisher.publish_changes({one: 10.0})
            async with running_publisher(publisher), open_socket(web, cookie) as socket:
                assert (await receive(socket, "welcome"))["rate"] == 4
                await socket.send(json.dumps({"type": "watch", "id": "strip", "instruments": [one, other]}))
                kinds = await receive_prices(socket, {one: 10.0})
                await publisher.publish_changes({other: 20.0})
                kinds += await receive_prices(socket, {other: 20.0})
            return kinds

    kinds = asyncio.run(browse())

    assert BrowserFrameKind.SNAPSHOT in kinds
    assert kinds[-1] is BrowserFrameKind.CHANGES


def test_a_socket_without_a_login_is_closed_with_4401(web: str) -> None:
    async def browse() -> int | None:
        async with open_socket(web, "") as socket:
            with suppress(ConnectionClosed):
                await socket.recv()
            return socket.close_code

    assert asyncio.run(browse()) == 4401


def test_pages_of_other_origins_are_answered_403(web: str, cookie: str) -> None:
    async def browse() -> int:
        try:
            async with open_socket(web, cookie, origin="http://evil.example"):
                return 101
        except InvalidStatus as refusal:
            return refusal.response.status_code

    assert asyncio.run(browse()) == 403


@pytest.mark.parametrize("server", SERVERS)
def test_a_browser_that_reads_and_never_acknowledges_gets_two_frames_and_then_the_slow_code(
    server: str, cookie: str, own_board: str, redis_url: str, tmp_path: Path
) -> None:
    async def browse(web: str) -> tuple[int, int | None]:
        frames = 0
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            publisher = FramePublisher(client, own_board)
            async with running_publisher(publisher), open_socket(web, cookie) as socket:
                await socket.send(json.dumps({"type": "watch", "id": "strip", "instruments": [41]}))
                async with asyncio.timeout(25):
                    with suppress(ConnectionClosed):
                        while True:
                            frames += isinstance(await socket.recv(), bytes)
                code = socket.close_code
        return frames, code

    with running_web(tmp_path, server=server, module="tests.integration.watchlists.fast_clock") as address:
        assert asyncio.run(browse(address)) == (2, 4408)
