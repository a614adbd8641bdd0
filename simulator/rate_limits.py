"""How often the REST side may be asked: the broker's rate classes, as sliding windows.

Quote APIs one a second, Data APIs five, and each unique option chain once in three seconds
(https://dhanhq.co/docs/v2/, read November 2026). Time comes from outside.
"""

from collections import deque
from collections.abc import Hashable

CHAIN_SECONDS = 3.0


class RateLimit:
    """At most `count` in `seconds`; a refused one does not count."""

    def __init__(self, count: int, seconds: float) -> None:
        self._seconds = seconds
        self._taken: deque[float] = deque(maxlen=count)
        self._count = count

    def take(self, now: float) -> bool:
        """Whether one more is allowed at `now`, which then counts."""
        if len(self._taken) == self._count and now - self._taken[0] < self._seconds:
            return False
        self._taken.append(now)
        return True


class KeyedRateLimit:
    """Each key once in `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._taken: dict[Hashable, float] = {}

    def take(self, key: Hashable, now: float) -> bool:
        """Whether `key` is allowed at `now`, which then counts."""
        self._taken = {known: at for known, at in self._taken.items() if now - at < self._seconds}
        if key in self._taken:
            return False
        self._taken[key] = now
        return True
