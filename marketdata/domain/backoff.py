"""The wait after failures in a row."""

from datetime import timedelta
from typing import Final

MOST_DOUBLINGS: Final = 10  # Chosen: a thousand first waits are above every longest one; a larger power could overflow.


def wait_after(failures: int, *, first: timedelta, longest: timedelta) -> timedelta:
    """Return the wait after this many failures in a row, from 1: doubled each time, up to `longest`."""
    return timedelta(seconds=seconds_after(failures, first=first.total_seconds(), longest=longest.total_seconds()))


def seconds_after(failures: int, *, first: float, longest: float) -> float:
    """Return the same as `wait_after`, in seconds."""
    return min(longest, first * 2.0 ** min(failures - 1, MOST_DOUBLINGS))
