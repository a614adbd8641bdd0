"""Whether a socket says so much nonsense that another is worth having.

More than one packet in a hundred within ten seconds that was malformed or carried an impossible price speaks against
the socket. If the next one is no better the fault is the broker's, and most of what comes is still good: so a
connection gets another socket for it once in five minutes at most, and keeps the one it has meanwhile.

Pure; times are monotonic seconds, arguments.
"""

from collections import deque
from typing import Final

PERIOD_SECONDS: Final = 10.0
LARGEST_SHARE: Final = 0.01
FEWEST_BAD: Final = 10
"""Fewer say nothing about a socket, however few packets came with them."""
PAUSE_SECONDS: Final = 300.0


class BadDataMonitor:
    """Watches the sockets of one connection, one after the other."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque()
        self._ended_at = -PAUSE_SECONDS

    def begin_socket(self, *, now: float) -> None:
        """Take note of a new socket, whose counts begin at nothing."""
        self._samples.clear()
        self._samples.append((now, 0, 0))

    def check(self, *, packets: int, bad: int, now: float) -> float | None:
        """Return the share of bad packets if it calls for another socket; both counts are since it opened."""
        self._samples.append((now, packets, bad))
        while now - self._samples[0][0] > PERIOD_SECONDS:
            self._samples.popleft()
        _, packets_before, bad_before = self._samples[0]
        bad_now, all_now = bad - bad_before, max(packets - packets_before, bad - bad_before)
        if bad_now < FEWEST_BAD or bad_now <= LARGEST_SHARE * all_now or now - self._ended_at < PAUSE_SECONDS:
            return None
        self._ended_at = now
        return bad_now / all_now
