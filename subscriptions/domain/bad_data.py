"""Detects a socket with too many bad packets: malformed, or with an impossible price.

If the next socket is no better the fault is the broker's, and most of its packets are still good. So a connection is
reconnected for bad data once in `PAUSE_SECONDS` at most. Times are monotonic seconds, passed as arguments.
"""

from collections import deque
from typing import Final

PERIOD_SECONDS: Final = 10.0
"""Required: over 1 % bad packets within 10 s reconnect (docs/operations.md, R13)."""
LARGEST_SHARE: Final = 0.01
"""Required, as above."""
FEWEST_BAD: Final = 10
"""Chosen: fewer are no evidence against a socket, however few packets came with them."""
PAUSE_SECONDS: Final = 300.0
"""Chosen: a broker that sends bad data to every socket costs each connection one reconnect in five minutes."""


class BadDataMonitor:
    """Checks the sockets of one connection, one after another."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque()
        self._ended_at = -PAUSE_SECONDS

    def begin_socket(self, *, now: float) -> None:
        """Start with a new socket, whose counters begin at 0."""
        self._samples.clear()
        self._samples.append((now, 0, 0))

    def check(self, *, packets: int, bad: int, now: float) -> float | None:
        """Return the share of bad packets if the socket must be replaced, else None; counts are since it opened."""
        self._samples.append((now, packets, bad))
        while now - self._samples[0][0] > PERIOD_SECONDS:
            self._samples.popleft()
        # The oldest sample of the period is the reference. A malformed message counts as bad but is no packet, so
        # the bad ones may outnumber the packets.
        _, packets_before, bad_before = self._samples[0]
        bad_now, all_now = bad - bad_before, max(packets - packets_before, bad - bad_before)
        if bad_now < FEWEST_BAD or bad_now <= LARGEST_SHARE * all_now or now - self._ended_at < PAUSE_SECONDS:
            return None
        self._ended_at = now
        return bad_now / all_now
