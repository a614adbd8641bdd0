"""Ends the tasks of a loop that mirrors Redis."""

import asyncio
from collections.abc import Sequence
from typing import Final

AGAIN_AFTER_SECONDS: Final = 0.2  # Chosen: a connect on one machine takes milliseconds.


async def end_tasks(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel `tasks` until all have ended: redis-py swallows a cancellation that arrives while it connects."""
    while pending := [one for one in tasks if not one.done()]:
        for one in pending:
            one.cancel()
        await asyncio.wait(pending, timeout=AGAIN_AFTER_SECONDS)
