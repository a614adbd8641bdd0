"""Rate limits of the REST API, over sliding intervals. Pure: time is an argument.

Quote APIs one request a second, Data APIs five, each unique option chain one in three seconds
(https://dhanhq.co/docs/v2/, read November 2026).
"""

from collections import deque
from collections.abc import Hashable

CHAIN_SECONDS = 3.0  # documented, see above


class RateLimit:
    """At most `count` requests in `seconds`; a refused request does not count."""

    def __init__(self, count: int, seconds: float) -> None:
        self._seconds = seconds
        self._taken: deque[float] = deque(maxlen=count)
        self._count = count

    def take(self, now: float) -> bool:
        """Return whether a request is allowed at `now`, and count it."""
        if len(self._taken) == self._count and now - self._taken[0] < self._seconds:
            return False
        self._taken.append(now)
        return True


class KeyedRateLimit:
    """At most one request for each key in `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._taken: dict[Hashable, float] = {}

    def take(self, key: Hashable, now: float) -> bool:
        """Return whether a request for `key` is allowed at `now`, and count it."""
        self._taken = {known: at for known, at in self._taken.items() if now - at < self._seconds}
        if key in self._taken:
            return False
        self._taken[key] = now
        return True
