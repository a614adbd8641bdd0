"""Tasks whose cancellation somebody has lost."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from subscriptions.feed.aside import aside
from subscriptions.feed.worker import end_tasks


async def lose_one_cancellation(act: Callable[[], Awaitable[object]]) -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(30)
    while True:
        await act()


async def call_aside() -> object:
    return await aside(int)


async def rest() -> None:
    await asyncio.sleep(0.01)


@pytest.mark.parametrize("act", [call_aside, rest])
def test_a_task_ends_though_a_cancellation_was_lost(act: Callable[[], Awaitable[object]]) -> None:
    async def end_it() -> asyncio.Task[None]:
        task = asyncio.create_task(lose_one_cancellation(act))
        await asyncio.sleep(0)
        if act is call_aside:
            task.cancel()
        else:
            end_tasks([task])
        await asyncio.wait([task], timeout=3)
        return task

    assert asyncio.run(end_it()).cancelled()
