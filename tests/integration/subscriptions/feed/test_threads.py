"""Tasks whose cancellation was swallowed by a library."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from subscriptions.feed.threads import run_in_thread
from subscriptions.feed.worker import cancel_until_done


async def swallow_one_cancellation(step: Callable[[], Awaitable[object]]) -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    while True:
        await step()


async def call_in_thread() -> object:
    return await run_in_thread(int)


async def yield_once() -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize("step", [call_in_thread, yield_once])
def test_a_task_ends_although_a_cancellation_was_swallowed(step: Callable[[], Awaitable[object]]) -> None:
    async def end_task() -> asyncio.Task[None]:
        task = asyncio.create_task(swallow_one_cancellation(step))
        await asyncio.sleep(0)
        if step is call_in_thread:
            task.cancel()
        else:
            cancel_until_done([task])
        await asyncio.wait([task], timeout=3)
        return task

    assert asyncio.run(end_task()).cancelled()
