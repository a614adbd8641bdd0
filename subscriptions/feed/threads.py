"""Calls that may block, made beside the loop, that never lose a cancellation.

Where a library between us and the loop loses the cancellation of a task, that task would go on for ever, and whoever
waits for its end would wait as long.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from asgiref.sync import sync_to_async

Answer = TypeVar("Answer")
Arguments = TypeVarTuple("Arguments")


async def run_in_thread(call: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
    """Return what `call` gives, from the one thread that talks to the database."""
    try:
        return await sync_to_async(call)(*arguments)
    finally:
        reraise_cancellation()


def reraise_cancellation() -> None:
    """Raise CancelledError if this task was asked to end, whatever became of the asking."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
