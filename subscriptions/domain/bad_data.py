"""Detects a socket with too many bad packets: malformed, or with an impossible price.

If the next socket is no better the fault is the broker's, and most of its packets are still good. So a connection is
reconnected for bad data once in `PAUSE_SECONDS` at most, and no other one before its next socket is proven good: the
account's row in PostgreSQL permits one replacement at a time. Times are monotonic seconds, passed as arguments.
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
"""Chosen: a broker that sends bad data to every socket costs the account one reconnect in five minutes."""
GOOD_SHARE: Final = LARGEST_SHARE / 2
"""Chosen: a socket near the limit is no proof that a replacement helps."""
FEWEST_PACKETS: Final = int(FEWEST_BAD / LARGEST_SHARE)
"""Of so many packets `FEWEST_BAD` are bad at the largest share; with fewer, their absence proves nothing."""


class BadDataMonitor:
    """Checks the sockets of one connection, one after another."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque()
        self._opened_at = 0.0
        self._replaced_at = -PAUSE_SECONDS

    def begin_socket(self, *, now: float) -> None:
        """Start with a new socket, whose counters begin at 0."""
        self._opened_at = now
        self._samples.clear()
        self._samples.append((now, 0, 0))

    def note_replaced(self, *, now: float) -> None:
        """Record that the socket is closed for its bad data: the pause begins."""
        self._replaced_at = now

    def check(self, *, packets: int, bad: int, now: float) -> float | None:
        """Return the share of bad packets if the socket should be replaced, else None; counts are since it opened."""
        self._samples.append((now, packets, bad))
        while now - self._samples[0][0] > PERIOD_SECONDS:
            self._samples.popleft()
        # The oldest sample of the period is the reference. A malformed message counts as bad but is no packet, so
        # the bad ones may outnumber the packets.
        _, packets_before, bad_before = self._samples[0]
        bad_now, all_now = bad - bad_before, max(packets - packets_before, bad - bad_before)
        if bad_now < FEWEST_BAD or bad_now <= LARGEST_SHARE * all_now or now - self._replaced_at < PAUSE_SECONDS:
            return None
        return bad_now / all_now

    def is_good(self, *, packets: int, bad: int, now: float) -> bool:
        """Return whether the present socket is proven good; counts are since it opened."""
        is_known = now - self._opened_at >= PERIOD_SECONDS and packets >= FEWEST_PACKETS
        return is_known and bad <= GOOD_SHARE * packets
