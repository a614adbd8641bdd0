"""Polls a condition that no event announces, with a deadline."""

import time
from collections.abc import Callable

POLL_INTERVAL_SECONDS = 0.01  # chosen: adds at most 10 ms to waits of 100 ms and more


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Return whether `condition` became true within `seconds`; it is evaluated at least once."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL_SECONDS)
    return True
