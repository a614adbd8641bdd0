"""The tasks of a publisher end when they are cancelled, at any step of their calls to Redis."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from marketdata import quote_board
from subscriptions.feed.connection.life import ConnectionLifecycle
from subscriptions.feed.ownership.statements import Lease
from subscriptions.feed.publishing.publisher import Publisher

pytestmark = pytest.mark.usefixtures("own_board")

STEPS = 80
END_SECONDS = 2.0
LOOPS: dict[str, Callable[[Publisher], Awaitable[None]]] = {
    "flushes": Publisher._flush_forever,
    "caches": Publisher._cache_forever,
    "reports": Publisher._report_forever,
}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_publisher_ends_when_it_is_cancelled_at_any_step(loop: str) -> None:
    async def count_not_ended() -> int:
        not_ended = 0
        for steps in range(STEPS):
            board = quote_board.connect_owner()
            publisher = Publisher(ConnectionLifecycle(Lease(1, 1)), board, name="test", flush_seconds=0.0)
            task = asyncio.ensure_future(LOOPS[loop](publisher))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            ended, _ = await asyncio.wait([task], timeout=END_SECONDS)
            not_ended += not ended
            task.cancel()
            await asyncio.wait([task], timeout=END_SECONDS)
            await board._redis.aclose()
        return not_ended

    assert asyncio.run(count_not_ended()) == 0
