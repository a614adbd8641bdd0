"""Wait for a condition with a deadline: tests wait in no other way."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

PAUSE_SECONDS = 0.02
"""Chosen: short against every time limit that tests check, and 50 polls a second cost little CPU."""
SECONDS = 10.0
"""Default deadline. Chosen: a step of milliseconds on an idle machine takes some seconds on a busy one."""


def wait_until(condition: Callable[[], bool], *, message: str, seconds: float = SECONDS) -> float:
    """Poll `condition` until it is true; return the seconds that took.

    Raises AssertionError with `message`, a statement of the condition, after `seconds`. The condition is polled at
    least twice, so that a test process without CPU time does not fail for that.
    """
    started_at = time.monotonic()
    pause = threading.Event()
    while not condition():
        if time.monotonic() - started_at > seconds and not condition():
            raise _failure(message, seconds)
        pause.wait(PAUSE_SECONDS)
    return time.monotonic() - started_at


async def wait_until_async(
    condition: Callable[[], bool | Awaitable[bool]], *, message: str, seconds: float = SECONDS
) -> float:
    """Do the same as `wait_until` while the event loop runs; `condition` may be a coroutine function."""

    async def is_true() -> bool:
        answer = condition()
        return answer if isinstance(answer, bool) else await answer

    started_at = time.monotonic()
    while not await is_true():
        if time.monotonic() - started_at > seconds and not await is_true():
            raise _failure(message, seconds)
        await asyncio.sleep(PAUSE_SECONDS)
    return time.monotonic() - started_at


def _failure(message: str, seconds: float) -> AssertionError:
    return AssertionError(f"not within {seconds:g} s: {message}")
