"""Tasks whose cancellation a library has swallowed."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from subscriptions.feed.threads import run_in_thread
from subscriptions.feed.worker import cancel_until_done


async def lose_one_cancellation(act: Callable[[], Awaitable[object]]) -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    while True:
        await act()


async def call_aside() -> object:
    return await run_in_thread(int)


async def rest() -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize("act", [call_aside, rest])
def test_a_task_ends_though_a_cancellation_was_lost(act: Callable[[], Awaitable[object]]) -> None:
    async def end_it() -> asyncio.Task[None]:
        task = asyncio.create_task(lose_one_cancellation(act))
        await asyncio.sleep(0)
        if act is call_aside:
            task.cancel()
        else:
            cancel_until_done([task])
        await asyncio.wait([task], timeout=3)
        return task

    assert asyncio.run(end_it()).cancelled()
