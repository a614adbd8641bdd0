"""Runs and ends the tasks of a loop that mirrors Redis."""

import asyncio
import random
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Final

AGAIN_AFTER_SECONDS: Final = 0.2  # Chosen: a connect on one machine takes milliseconds.
# Chosen: a third of the 3 s within which browsers have every price again after Redis is back (docs/operations.md, R15).
LONGEST_RETRY_SECONDS: Final = 1.0


async def run_until_first_ends(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run `works` together until one ends, then cancel the others. Raises the exception of one that failed."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    finally:
        await end_tasks(tasks)


async def end_tasks(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel `tasks` until all have ended: redis-py swallows a cancellation that arrives while it connects."""
    while pending := [one for one in tasks if not one.done()]:
        for one in pending:
            one.cancel()
        await asyncio.wait(pending, timeout=AGAIN_AFTER_SECONDS)


async def wait_to_retry(pause: float) -> float:
    """Wait for at most `pause` seconds; return the pause after the next failure."""
    await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter is no secret
    return min(pause * 2, LONGEST_RETRY_SECONDS)
