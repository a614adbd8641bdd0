"""Which prices a periodic pass requests from the broker, after requests in vain.

A price is requested in vain if the answer lacks it or the request failed as a whole. The next request for it waits
twice as long each time. Prices that failed are requested in halves of those that failed equally often, so that one
instrument that spoils a request does not hold back the others, and no request is repeated unchanged without end.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from marketdata.domain import backoff

# Chosen: the interval of the preload, so that its next pass may request again.
FIRST_WAIT: Final = timedelta(seconds=10)
LONGEST_WAIT: Final = timedelta(minutes=10)  # Chosen: the feed usually delivers the price long before.


def choose_batch(due: Iterable[int], failures: Mapping[int, int]) -> Sequence[int]:
    """Return the instruments of the next request, of those that may be requested now."""
    by_failures = sorted(due, key=lambda one: failures.get(one, 0))
    if not by_failures:
        return []
    fewest = failures.get(by_failures[0], 0)
    equal = [one for one in by_failures if failures.get(one, 0) == fewest]
    return equal[: (len(equal) + 1) // 2] if fewest else equal


def wait_after(failures: int) -> timedelta:
    """Return the wait after this many requests in vain, from 1."""
    return backoff.wait_after(failures, first=FIRST_WAIT, longest=LONGEST_WAIT)
