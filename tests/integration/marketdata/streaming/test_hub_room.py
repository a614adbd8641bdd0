"""The quote hub tells each browser how many instruments are live, and how many fit."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis.asyncio
from django.db import OperationalError

from marketdata.quote_board import HubBoard
from marketdata.streaming.feed_status import Room
from marketdata.streaming.hub import QuoteHub
from tests.frame_readers import decode_browser_frame
from tests.waiting import wait_until_async

pytestmark = pytest.mark.asyncio


class Readings:
    """Returns each of `rooms` once, then the last one again and again; None stands for a database that is down."""

    def __init__(self, rooms: Sequence[Room | None]) -> None:
        self._rooms = list(rooms)
        self.count = 0

    async def __call__(self) -> Room:
        room = self._rooms[min(self.count, len(self._rooms) - 1)]
        self.count += 1
        if room is None:
            raise OperationalError("the database is down")
        return room


@asynccontextmanager
async def showing(hub: QuoteHub) -> AsyncIterator[list[tuple[int | None, int | None]]]:
    """Yield the rooms that one browser is sent."""
    rooms: list[tuple[int | None, int | None]] = []
    client = await hub.add_client()

    async def take_frame(payload: bytes) -> None:
        client.outbox.acknowledge(decode_browser_frame(payload).sequence)

    async def take_message(text: str) -> None:
        message: dict[str, Any] = json.loads(text)
        if message["type"] == "room":
            rooms.append((message["used"], message["capacity"]))

    task = asyncio.create_task(hub.serve(client, send_bytes=take_frame, send_text=take_message))
    try:
        yield rooms
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        hub.remove_client(client)


@pytest.fixture
def make_hub(redis_url: str, redis_prefix: str) -> Callable[[Callable[[], Awaitable[Room]]], QuoteHub]:
    def make(read_room: Callable[[], Awaitable[Room]]) -> QuoteHub:
        return QuoteHub(
            connect=lambda: HubBoard(redis.asyncio.Redis.from_url(redis_url), redis_prefix),
            read_room=read_room,
            room_every_seconds=0.05,
        )

    return make


async def test_all_browsers_share_one_reading_and_are_sent_it_when_it_changes(
    make_hub: Callable[[Callable[[], Awaitable[Room]]], QuoteHub],
) -> None:
    readings = Readings([Room(2_436, 25_000), Room(2_436, 25_000), Room(2_486, 25_000)])
    hub = make_hub(readings)
    try:
        async with showing(hub) as first, showing(hub) as second:
            await wait_until_async(lambda: first[-1:] == second[-1:] == [(2_486, 25_000)], message="the last reading")
            count = readings.count
            await wait_until_async(lambda: readings.count > count + 3, message="equal readings")
    finally:
        await hub.aclose()

    assert first in ([(2_436, 25_000), (2_486, 25_000)], [(2_486, 25_000)])
    assert len(second) <= 2


async def test_the_room_is_unknown_while_the_database_is_down(
    make_hub: Callable[[Callable[[], Awaitable[Room]]], QuoteHub],
) -> None:
    hub = make_hub(Readings([Room(10, 25_000), *[None] * 40, Room(12, 25_000)]))
    try:
        async with showing(hub) as rooms:
            await wait_until_async(lambda: rooms[-1:] == [(None, None)], message="the loss")
            await wait_until_async(lambda: rooms[-1:] == [(12, 25_000)], message="the return")
    finally:
        await hub.aclose()
