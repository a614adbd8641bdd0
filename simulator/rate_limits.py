"""Rate limits of the REST API, over sliding intervals. Pure: time is an argument.

Quote APIs one request a second, Data APIs five, each unique option chain one in three seconds
(https://dhanhq.co/docs/v2/, read November 2026).
"""

from collections.abc import Hashable

CHAIN_SECONDS = 3.0  # documented, see above


class RateLimit:
    """At most `count` requests for each key in `seconds`; a refused request does not count."""

    def __init__(self, count: int, seconds: float) -> None:
        self._count = count
        self._seconds = seconds
        self._taken: list[tuple[float, Hashable]] = []

    def take(self, now: float, key: Hashable = None) -> bool:
        """Return whether a request for `key` is allowed at `now`, and count it."""
        self._taken = [(at, known) for at, known in self._taken if now - at < self._seconds]
        if sum(known == key for _, known in self._taken) >= self._count:
            return False
        self._taken.append((now, key))
        return True
