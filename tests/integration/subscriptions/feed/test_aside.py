"""Tasks that are ended while their thread is at work."""

import asyncio
import threading

from subscriptions.feed.aside import aside


def test_a_task_that_is_cancelled_ends_though_its_thread_answers() -> None:
    begun, is_over = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        is_over.wait(5)

    async def work_forever() -> None:
        while True:
            await aside(work)

    async def end_it() -> asyncio.Task[None]:
        task = asyncio.create_task(work_forever())
        await asyncio.to_thread(begun.wait, 5)
        task.cancel()
        asyncio.get_running_loop().call_later(0.05, is_over.set)
        await asyncio.wait([task], timeout=3)
        return task

    assert asyncio.run(end_it()).cancelled()
