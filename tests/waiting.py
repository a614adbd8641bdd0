"""Wait for a condition with a deadline: tests wait in no other way."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from tests.processes import run_delays

PAUSE_SECONDS = 0.02
"""Chosen: short against every time limit that tests check, and 50 polls a second cost little CPU at first."""
LATER_SHARE, LATER_SECONDS = 0.05, 0.1
"""The pause of a long wait, as a share of it and at most. Chosen: a poll of the feed takes some 5 ms of CPU."""
MOST_PAUSE_SECONDS = 0.1
"""Chosen: five pauses. A longer one means that this process got no CPU time, and the product hardly any."""
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
        waited = time.monotonic() - started_at
        if waited > seconds and not condition():
            raise _failure(message, seconds)
        pause.wait(max(PAUSE_SECONDS, min(waited * LATER_SHARE, LATER_SECONDS)))
    return time.monotonic() - started_at


class PromisedSeconds:
    """Counts the seconds of a promise, which holds for a machine with free processors.

    Of a pause between two counts that is longer than MOST_PAUSE_SECONDS only so much counts, and the time does not
    count in which a thread of the started processes was ready and waited for a processor. A tenth of each pause always
    counts, so that every wait ends.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._seen_at = time.monotonic()
        self._delays = run_delays()

    def count(self) -> float:
        """Add the time since the last count; return the sum."""
        now, before, self._delays = time.monotonic(), self._delays, run_delays()
        took, self._seen_at = min(MOST_PAUSE_SECONDS, now - self._seen_at), now
        delayed = max((delay - before.get(thread, 0.0) for thread, delay in self._delays.items()), default=0.0)
        self.seconds += max(took - delayed, took / 10)
        return self.seconds


def wait_promised(condition: Callable[[], bool], *, seconds: float, message: str) -> float:
    """Wait as `wait_until` for what is promised within `seconds`; return how many `PromisedSeconds` it took."""
    counted, pause = PromisedSeconds(), threading.Event()
    while not condition():
        if counted.seconds > seconds:
            raise _failure(message, seconds)
        pause.wait(PAUSE_SECONDS)
        counted.count()
    return counted.seconds


@contextmanager
def promised_seconds() -> Iterator[PromisedSeconds]:
    """Yield the seconds since the call, for promises about several steps; a separate thread counts them."""
    counted, ended = PromisedSeconds(), threading.Event()

    def count() -> None:
        while not ended.wait(PAUSE_SECONDS):
            counted.count()

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield counted
    finally:
        ended.set()
        thread.join()


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
