"""Waiting for what cannot be waited on: a condition, asked again and again, with a deadline."""

import time
from collections.abc import Callable

POLL_INTERVAL_SECONDS = 0.01


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Return whether `condition` came true within `seconds`; it is asked at least once."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL_SECONDS)
    return True
