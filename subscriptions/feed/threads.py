"""Runs blocking database calls off the event loop, without losing a cancellation or keeping a broken connection.

Some libraries swallow `CancelledError`. A task that loses its cancellation would run on, and the worker that waits for
it would never stop.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from asgiref.sync import sync_to_async
from django.db import Error as DatabaseError
from django.db import connections

Answer = TypeVar("Answer")
Arguments = TypeVarTuple("Arguments")


async def run_in_thread(call: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
    """Return the result of `call`, run in the one thread that uses Django's database connections.

    After a database error the connections of that thread are closed, so the next call opens a new one.
    """
    try:
        return await sync_to_async(_call)(call, *arguments)
    finally:
        reraise_cancellation()


def reraise_cancellation() -> None:
    """Raise CancelledError if the present task was cancelled, even if a library caught the exception."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _call(call: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
    try:
        return call(*arguments)
    except DatabaseError:
        # Django closes unusable connections at the end of a request, and a feed worker has no requests.
        connections.close_all()
        raise
