"""The quote hub under errors: foreign bytes, an unreadable calendar, a bug, a socket that blocks."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
import redis.asyncio
from django.db import OperationalError

from marketdata.domain.sessions import SessionBook
from marketdata.quote_board import HubBoard
from marketdata.streaming.client import Client
from marketdata.streaming.frames import CloseCode
from marketdata.streaming.hub import QuoteHub
from tests.frame_readers import decode_browser_frame
from tests.integration.marketdata.streaming.frame_publishers import FramePublisher, running_publisher
from tests.proxies import running_proxy
from tests.waiting import wait_until_async

pytestmark = pytest.mark.asyncio

HubMaker = Callable[..., QuoteHub]


class Screen:
    """The prices and feed states at one browser that acknowledges every frame."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.prices: dict[int, float] = {}
        self.states: list[str] = []

    async def send_bytes(self, payload: bytes) -> None:
        frame = decode_browser_frame(payload)
        self.prices |= {int(row["instrument_id"]): float(row["ltp"]) for row in frame.rows}
        self._client.outbox.acknowledge(frame.sequence)

    async def send_text(self, text: str) -> None:
        self.states.append(json.loads(text)["state"])

    def shows(self, instrument_id: int, price: float) -> bool:
        return self.prices.get(instrument_id) == price


@pytest_asyncio.fixture
async def make_hub(redis_url: str, redis_prefix: str) -> AsyncIterator[HubMaker]:
    made: list[QuoteHub] = []

    def make(**options: Any) -> QuoteHub:
        made.append(
            QuoteHub(connect=lambda: HubBoard(redis.asyncio.Redis.from_url(redis_url), redis_prefix), **options)
        )
        return made[-1]

    yield make
    for hub in made:
        await hub.aclose()


@pytest_asyncio.fixture
async def client(redis_url: str) -> AsyncIterator["redis.asyncio.Redis"]:
    async with redis.asyncio.Redis.from_url(redis_url) as one:
        yield one


@pytest.fixture
def publisher(client: "redis.asyncio.Redis", redis_prefix: str) -> FramePublisher:
    return FramePublisher(client, redis_prefix)


@asynccontextmanager
async def watching(hub: QuoteHub, *instrument_ids: int) -> AsyncIterator[Screen]:
    client = await hub.add_client()
    screen = Screen(client)
    client.watch(instrument_ids)
    task = asyncio.create_task(hub.serve(client, send_bytes=screen.send_bytes, send_text=screen.send_text))
    try:
        yield screen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        hub.remove_client(client)


async def test_after_undecodable_bytes_the_hub_subscribes_again_and_requests_everything(
    make_hub: HubMaker,
    publisher: FramePublisher,
    client: "redis.asyncio.Redis",
    redis_prefix: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running_publisher(publisher), watching(make_hub(), 41) as screen:
        await publisher.publish_changes({41: 10.0})
        await wait_until_async(lambda: screen.shows(41, 10.0), message="the first price")
        full_frame_requests = publisher.full_frame_requests

        await client.publish(f"{redis_prefix}:frames:1", b"no frame")

        await wait_until_async(
            lambda: publisher.full_frame_requests > full_frame_requests, message="another request of a full frame"
        )
        await publisher.publish_changes({41: 11.0})
        await wait_until_async(lambda: screen.shows(41, 11.0), message="the price after the bytes")
    assert "bus lost" in caplog.text


async def test_a_redis_that_hangs_shows_the_bus_as_lost_until_it_answers(
    publisher: FramePublisher, redis_url: str, redis_prefix: str
) -> None:
    port = urlsplit(redis_url).port
    assert port is not None
    with running_proxy(port) as proxy:
        through = redis_url.replace(f":{port}", f":{proxy.port}")
        hub = QuoteHub(connect=lambda: HubBoard(redis.asyncio.Redis.from_url(through), redis_prefix))
        async with running_publisher(publisher), watching(hub, 41) as screen:
            await wait_until_async(lambda: screen.states[-1:] == ["partial"], message="the state with reports")

            proxy.hold()
            await wait_until_async(lambda: screen.states[-1:] == ["bus_lost"], message="the loss")

            proxy.release()
            await wait_until_async(lambda: screen.states[-1:] == ["partial"], message="the return")
        await hub.aclose()


async def test_a_frame_that_redis_delivers_late_makes_no_connection_live(
    publisher: FramePublisher, redis_url: str, redis_prefix: str
) -> None:
    port, ahead = urlsplit(redis_url).port, [0.0]
    assert port is not None
    with running_proxy(port) as proxy:
        through = redis_url.replace(f":{port}", f":{proxy.port}")
        hub = QuoteHub(
            connect=lambda: HubBoard(redis.asyncio.Redis.from_url(through), redis_prefix),
            clock=lambda: time.monotonic() + ahead[0],
        )
        async with watching(hub, 41) as screen:
            async with running_publisher(publisher):
                await publisher.publish_changes({41: 10.0})
                await wait_until_async(lambda: screen.states[-1:] == ["partial"], message="the state with reports")
            proxy.hold()
            await publisher.publish_changes({41: 11.0})
            await wait_until_async(lambda: screen.states[-1:] == ["bus_lost"], message="the loss")
            ahead[0] = 2.0
            screen.states.clear()

            proxy.release()
            await wait_until_async(lambda: screen.shows(41, 11.0) and bool(screen.states), message="the late frame")
            assert "partial" not in screen.states
            async with running_publisher(publisher):
                await wait_until_async(lambda: screen.states[-1:] == ["partial"], message="the return")
        await hub.aclose()


async def test_prices_flow_while_the_calendar_is_unreadable(
    make_hub: HubMaker, publisher: FramePublisher, caplog: pytest.LogCaptureFixture
) -> None:
    async def read_calendar() -> SessionBook:
        raise OperationalError("the database is down")

    async with running_publisher(publisher), watching(make_hub(read_calendar=read_calendar), 41) as screen:
        await publisher.publish_changes({41: 10.0})
        await wait_until_async(lambda: screen.shows(41, 10.0) and "partial" in screen.states, message="price and state")

    assert "market calendar not readable (OperationalError)" in caplog.text


def failing_once() -> Callable[[], Awaitable[SessionBook]]:
    calls: list[None] = []

    async def read_calendar() -> SessionBook:
        calls.append(None)
        if len(calls) == 1:
            raise LookupError("a bug")
        return SessionBook()

    return read_calendar


async def test_after_a_bug_the_feed_is_reported_lost_and_the_hub_restarts(
    make_hub: HubMaker, publisher: FramePublisher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)

    async with running_publisher(publisher), watching(make_hub(read_calendar=failing_once()), 41) as screen:
        await wait_until_async(lambda: screen.states[:1] == ["bus_lost"], message="the loss")
        await publisher.publish_changes({41: 10.0})
        await wait_until_async(
            lambda: screen.shows(41, 10.0) and screen.states[-1] == "partial", message="price and state after it"
        )

    assert [one.levelname for one in caplog.records if "quote hub failed" in one.message] == ["ERROR"]


async def test_a_socket_that_blocks_a_send_is_closed_as_slow(make_hub: HubMaker) -> None:
    hub = make_hub(send_timeout_seconds=0.1)
    client = await hub.add_client()
    client.watch([41])

    async def block(_: object) -> None:
        await asyncio.Event().wait()

    async with asyncio.timeout(5):
        assert await hub.serve(client, send_bytes=block, send_text=block) is CloseCode.SLOW
    assert hub.count_unacknowledged() == 1
