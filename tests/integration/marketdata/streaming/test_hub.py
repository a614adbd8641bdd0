"""The quote hub with a real Redis and browsers that are plain functions."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio

from marketdata.domain.feed import ConnectionMeasurements, ConnectionState, DeliveryReading
from marketdata.quote_board import HubBoard
from marketdata.streaming.client import Client
from marketdata.streaming.frames import BrowserFrame, BrowserFrameKind, CloseCode
from marketdata.streaming.hub import QuoteHub
from tests.frame_readers import decode_browser_frame
from tests.integration.marketdata.streaming.frame_publishers import FramePublisher, running_publisher
from tests.unit.marketdata.streaming.bus_rows import make_frame, make_row
from tests.waiting import wait_until_async

pytestmark = pytest.mark.asyncio


def measured_ages(browser: "Browser") -> list[int]:
    """Return the ages of the last packet of connection 1, frame by frame, in ms."""
    ages = (frame.measurements[1].packet_age_ms for frame in browser.frames)
    return [age for age in ages if age is not None]


@dataclass
class Browser:
    """The frames and messages of one browser, and its prices after applying them."""

    client: Client
    acknowledges: bool = True
    frames: list[BrowserFrame] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    held: dict[int, float] = field(default_factory=dict)
    held_at_messages: list[dict[int, float]] = field(default_factory=list)
    """The prices that it had when each of `messages` arrived."""
    closed: CloseCode | None = None

    async def take_frame(self, payload: bytes) -> None:
        frame = decode_browser_frame(payload)
        if frame.kind is BrowserFrameKind.SNAPSHOT:
            self.held.clear()
        self.held |= {int(row["instrument_id"]): float(row["ltp"]) for row in frame.rows}
        self.frames.append(frame)
        if self.acknowledges:
            self.client.outbox.acknowledge(frame.sequence)

    async def take_message(self, text: str) -> None:
        self.messages.append(json.loads(text))
        self.held_at_messages.append(dict(self.held))

    def holds(self, instrument_id: int, ltp: float) -> bool:
        return self.held.get(instrument_id) == ltp

    @property
    def feed(self) -> str:
        return self.messages[-1]["state"] if self.messages else ""


class Clock:
    """The real clock, which a test may advance."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest_asyncio.fixture
async def client(redis_url: str) -> AsyncIterator["redis.asyncio.Redis"]:
    async with redis.asyncio.Redis.from_url(redis_url) as one:
        yield one


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def hub(redis_url: str, redis_prefix: str, clock: Clock) -> AsyncIterator[QuoteHub]:
    def connect() -> HubBoard:
        return HubBoard(redis.asyncio.Redis.from_url(redis_url, client_name=redis_prefix), redis_prefix)

    one = QuoteHub(connect=connect, clock=clock)
    yield one
    await one.aclose()


@pytest.fixture
def publisher(client: "redis.asyncio.Redis", redis_prefix: str) -> FramePublisher:
    return FramePublisher(client, redis_prefix)


@asynccontextmanager
async def browsing(hub: QuoteHub, *instrument_ids: int, acknowledges: bool = True) -> AsyncIterator[Browser]:
    client = await hub.add_client()
    browser = Browser(client, acknowledges=acknowledges)

    async def serve() -> None:
        browser.closed = await hub.serve(client, send_bytes=browser.take_frame, send_text=browser.take_message)

    task = asyncio.create_task(serve())
    client.watch(instrument_ids)
    try:
        yield browser
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        hub.remove_client(client)


async def test_a_browser_that_joins_late_gets_earlier_prices(hub: QuoteHub, publisher: FramePublisher) -> None:
    await publisher.publish_changes({41: 10.0, 42: 20.0})

    async with running_publisher(publisher), browsing(hub, 41, 42) as browser:
        await wait_until_async(lambda: browser.held == {41: 10.0, 42: 20.0}, message="both prices")


async def test_changes_reach_the_browser_within_its_interval(hub: QuoteHub, publisher: FramePublisher) -> None:
    async with running_publisher(publisher), browsing(hub, 41) as browser:
        await publisher.publish_changes({41: 10.0})
        await wait_until_async(lambda: browser.held.get(41) == 10.0, message="the first price")

        await publisher.publish_changes({41: 11.0, 99: 5.0})
        took = await wait_until_async(lambda: browser.held.get(41) == 11.0, message="the second price")

    assert took < 1.0
    assert 99 not in browser.held


async def test_measurements_reach_the_browser_and_the_age_of_the_last_packet_grows(
    hub: QuoteHub, publisher: FramePublisher
) -> None:
    sent = ConnectionMeasurements(DeliveryReading(received=21_800, due=22_000), 500, 0.4)
    frame = make_frame(make_row(41, ltp=10.0), sequence=1, epoch=publisher.epoch, connection=publisher.connection)

    async with browsing(hub, 41) as browser:
        await wait_until_async(lambda: hub.feed is not None, message="the hub listens")
        await publisher.board.publish(replace(frame, measurements=sent))

        await wait_until_async(lambda: measured_ages(browser)[-1:] > [1_500], message="the age grows without a packet")
    first = next(one.measurements[1] for one in browser.frames if one.measurements[1].delivery.due)
    assert (first.delivery, first.trade_lag_seconds) == (sent.delivery, 0.4)
    assert measured_ages(browser) == sorted(measured_ages(browser))
    assert measured_ages(browser)[0] >= 500


async def test_a_gap_in_the_sequence_requests_a_full_frame_from_the_owner(
    hub: QuoteHub, publisher: FramePublisher
) -> None:
    async with running_publisher(publisher, sends_heartbeats=False), browsing(hub, 41, 42) as browser:
        await publisher.publish_changes({41: 10.0, 42: 20.0})
        await wait_until_async(lambda: 1 not in hub.mirror.list_incomplete(), message="a complete connection")
        full_frame_requests = publisher.full_frame_requests
        publisher.rows[42]["ltp"] = 21.0

        await publisher.publish_changes({41: 11.0}, skip=1)

        await wait_until_async(lambda: browser.held == {41: 11.0, 42: 21.0}, message="the change in the lost frame")
        assert publisher.full_frame_requests > full_frame_requests


async def test_frames_of_a_former_owner_are_ignored(
    hub: QuoteHub, publisher: FramePublisher, client: "redis.asyncio.Redis", redis_prefix: str
) -> None:
    former = FramePublisher(client, redis_prefix, epoch=6)
    async with running_publisher(publisher), browsing(hub, 41, 42) as browser:
        await publisher.publish_changes({41: 10.0})
        await wait_until_async(lambda: browser.held.get(41) == 10.0, message="the price of the publisher")

        await former.publish_changes({41: 1.0})
        await former.publish_full()
        await publisher.publish_changes({42: 20.0})

        await wait_until_async(lambda: browser.held.get(42) == 20.0, message="the next price of the publisher")
    assert browser.held == {41: 10.0, 42: 20.0}


async def test_without_an_owner_cached_prices_are_shown_and_the_feed_is_not_live(
    hub: QuoteHub, publisher: FramePublisher
) -> None:
    publisher.rows = {}
    await publisher.publish_changes({41: 10.0})
    await publisher.cache_rows()

    async with browsing(hub, 41) as browser:
        took = await wait_until_async(lambda: browser.held.get(41) == 10.0, message="the cached price", seconds=4.0)
        await wait_until_async(lambda: browser.feed == "no_owner", message="the state of the feed")

    assert took < 3.0


async def test_the_feed_is_live_then_stale_within_two_seconds_of_silence(
    hub: QuoteHub, client: "redis.asyncio.Redis", redis_prefix: str
) -> None:
    publishers = [FramePublisher(client, redis_prefix, connection=number) for number in range(1, 6)]
    async with browsing(hub) as browser:
        async with (
            running_publisher(publishers[0]),
            running_publisher(publishers[1]),
            running_publisher(publishers[2]),
            running_publisher(publishers[3]),
        ):
            await wait_until_async(lambda: browser.feed == "partial", message="four of five")
            async with running_publisher(publishers[4]):
                await wait_until_async(lambda: browser.feed == "live", message="a live feed")
            for one in publishers:
                await one.report()
        took = await wait_until_async(lambda: browser.feed == "stale", message="a stale feed")

    assert took < 2.2
    assert browser.messages[-1]["live"] == 0


@pytest.mark.parametrize("acknowledges", [True, False])
async def test_rows_are_live_again_only_with_their_newest_values(
    hub: QuoteHub, publisher: FramePublisher, *, acknowledges: bool
) -> None:
    async with running_publisher(publisher, sends_heartbeats=False), browsing(hub, 41) as browser:
        # A page with frames of a second would otherwise show the price of before the outage as live for up to a second.
        browser.client.outbox.rate_hz = 1
        await publisher.publish_changes({41: 10.0})
        await publisher.report(ConnectionState.LIVE)
        await wait_until_async(lambda: browser.feed == "partial" and browser.holds(41, 10.0), message="a live price")
        browser.acknowledges = acknowledges
        await publisher.report(ConnectionState.RECONNECTING)
        await wait_until_async(lambda: browser.feed == "reconnecting", message="the outage")
        if not acknowledges:
            await wait_until_async(lambda: browser.client.outbox.is_blocked, message="two unacknowledged frames")

        await publisher.publish_changes({41: 11.0})
        await publisher.report(ConnectionState.LIVE)
        await wait_until_async(lambda: hub.feed is not None and hub.feed.live_count == 1, message="a live connection")
        browser.acknowledges = True
        browser.client.outbox.acknowledge(len(browser.frames))

        await wait_until_async(lambda: browser.feed == "partial", message="the end of the outage")
    assert browser.held_at_messages[-1] == {41: 11.0}


async def test_the_error_of_a_connection_reaches_the_browser(hub: QuoteHub, publisher: FramePublisher) -> None:
    async with browsing(hub) as browser:
        await publisher.report(ConnectionState.RECONNECTING, error="code 805")
        await wait_until_async(lambda: browser.feed == "reconnecting", message="the state of the feed")

    assert browser.messages[-1]["connections"][0] == {"number": 1, "state": "reconnecting", "error": "code 805"}


async def test_a_browser_without_acknowledgements_gets_two_frames_and_then_the_newest_price(
    hub: QuoteHub, publisher: FramePublisher
) -> None:
    async with running_publisher(publisher), browsing(hub, 41, acknowledges=False) as browser:
        await wait_until_async(lambda: len(browser.frames) == 2, message="two frames")
        for price in range(1, 30):
            await publisher.publish_changes({41: float(price)})
        await wait_until_async(
            lambda: float(hub.mirror.rows_of([41], now_ms=0)["ltp"][0]) == 29.0,
            message="the last price in the mirror",
        )
        assert len(browser.frames) == 2

        browser.acknowledges = True
        browser.client.outbox.acknowledge(2)

        await wait_until_async(lambda: browser.held.get(41) == 29.0, message="the newest price")
    assert len(browser.frames) < 6


async def test_a_browser_that_never_acknowledges_is_closed_with_the_slow_code(
    hub: QuoteHub, publisher: FramePublisher, clock: Clock
) -> None:
    async with running_publisher(publisher), browsing(hub, 41, acknowledges=False) as browser:
        await wait_until_async(lambda: len(browser.frames) == 2, message="two frames")

        clock.ahead += 16

        await wait_until_async(lambda: browser.closed is CloseCode.SLOW, message="the slow browser is closed")


async def test_a_slow_browser_does_not_delay_others(hub: QuoteHub, publisher: FramePublisher) -> None:
    async with (
        running_publisher(publisher),
        browsing(hub, 41, acknowledges=False) as slow,
        browsing(hub, 41) as fast,
    ):
        await wait_until_async(lambda: len(slow.frames) == 2, message="two frames for the slow browser")
        for price in (5.0, 6.0, 7.0):
            await publisher.publish_changes({41: price})
            took = await wait_until_async(partial(fast.holds, 41, price), message="the price at the fast browser")
            assert took < 1.0


async def test_after_redis_drops_its_listeners_the_hub_joins_again_and_requests_full_frames(
    hub: QuoteHub, publisher: FramePublisher, client: "redis.asyncio.Redis", redis_prefix: str
) -> None:
    async with running_publisher(publisher), browsing(hub, 41) as browser:
        await publisher.publish_changes({41: 10.0})
        await wait_until_async(lambda: browser.held.get(41) == 10.0, message="the first price")

        # Drop the listeners of this hub only: tests that run in parallel share this Redis.
        ours = [one["id"] for one in await client.client_list(_type="pubsub") if one["name"] == redis_prefix]
        assert ours
        for one in ours:
            await client.client_kill_filter(_id=one)
        publisher.rows[41]["ltp"] = 11.0

        async with running_publisher(publisher):
            await wait_until_async(
                lambda: browser.held.get(41) == 11.0, message="the price of the time without listeners", seconds=15
            )


async def test_a_hub_without_browsers_stops(redis_url: str, redis_prefix: str) -> None:
    hub = QuoteHub(connect=lambda: HubBoard(redis.asyncio.Redis.from_url(redis_url), redis_prefix), linger_seconds=0.0)
    async with browsing(hub):
        pass

    await wait_until_async(
        lambda: not [one for one in asyncio.all_tasks() if one.get_name() == "quote hub"], message="the end"
    )


async def test_a_stopped_hub_starts_again_with_the_next_browser(
    redis_url: str, redis_prefix: str, publisher: FramePublisher
) -> None:
    hub = QuoteHub(connect=lambda: HubBoard(redis.asyncio.Redis.from_url(redis_url), redis_prefix), linger_seconds=0.0)
    async with running_publisher(publisher):
        await publisher.publish_changes({41: 10.0})
        for _ in range(2):
            async with browsing(hub, 41) as browser:
                await wait_until_async(partial(browser.holds, 41, 10.0), message="the price")
            await wait_until_async(
                lambda: not [one for one in asyncio.all_tasks() if one.get_name() == "quote hub"], message="the end"
            )


async def test_a_hub_that_is_closed_while_it_connects_stops(redis_url: str, redis_prefix: str) -> None:
    for steps in range(25):
        hub = QuoteHub(connect=lambda: HubBoard(redis.asyncio.Redis.from_url(redis_url), redis_prefix))
        hub.remove_client(await hub.add_client())
        for _ in range(steps):
            await asyncio.sleep(0)

        async with asyncio.timeout(5):
            await hub.aclose()
