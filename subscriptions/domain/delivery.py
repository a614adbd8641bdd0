"""Judges whether the packets of one connection arrive as they are due. Times are monotonic seconds, as arguments.

1. Out of session no packet is due.
2. The due rate is the highest rate of packets over a minute on this connection. It halves every `HALF_LIFE_SECONDS`,
   so that a former socket's rate still counts on the next one, and a market that becomes slow is not a fault for long.
   Where instruments were unsubscribed, it falls by their share of the packets. The first packet of each instrument is
   not counted, as in `watchdog`.
3. SILENT: no packet for `SILENT_SECONDS`, in which at least `EXPECTED_PACKETS` would have come. It ends with a packet
   only: after the end of a session, silent rows were not proven to be the last ones.
4. STARVED: in `STARVED_SECONDS` fewer than a tenth of the packets came that were due.
"""

from collections import deque
from typing import Final

from marketdata.domain.feed import STARVED_SECONDS, Delivery, DeliveryReading
from subscriptions.domain.watchdog import (
    EXPECTED_PACKETS,
    PERIOD_SECONDS,
    UNCHECKED_SECONDS,
    Reading,
    SessionChanges,
)

SILENT_SECONDS: Final = 2.5
"""Required: stale is shown within 3 s of the last packet (docs/operations.md, R5 and R6); chosen: 0.5 s for the way."""
STARVED_SHARE: Final = 0.1
"""Required: less than a tenth of the due rate."""
FEWEST_DUE: Final = 100
"""Chosen: if 100 packets are due at random, ten or fewer come by chance in 1 of 10**24 periods."""
HALF_LIFE_SECONDS: Final = 300.0
"""Chosen: a market that falls to a twentieth of its rate counts as starved for five minutes at most."""


class DeliveryMonitor:
    """Judges the sockets of one connection, one after another."""

    def __init__(self) -> None:
        self._condition = Delivery.FLOWING
        self._sessions = SessionChanges()
        # (time, all packets, packets that are not the first of their instrument)
        self._samples: deque[tuple[float, float, float]] = deque()
        self._due_rate = 0.0
        self._packets = self._streaming = self._firsts = 0
        self._checked_at = self._silent_since = 0.0

    def begin_socket(self, *, now: float) -> None:
        """Start with a new socket, whose counters begin at 0."""
        self._condition = Delivery.FLOWING
        self._samples.clear()
        self._samples.append((now, 0, 0))
        self._packets = self._streaming = self._firsts = 0
        self._checked_at = self._silent_since = now

    def check(self, seen: Reading, *, now: float) -> DeliveryReading:
        """Return the delivery at `now`; `seen.expected` are the segments in session."""
        beat, self._checked_at = now - self._checked_at, now
        # The number of streaming instruments falls when some are unsubscribed; that of first packets does not.
        self._firsts += max(0, seen.streaming - self._streaming)
        self._streaming = seen.streaming
        # As in the watchdog: time without a check is not silence, the process may have been frozen.
        if beat > UNCHECKED_SECONDS:
            self._silent_since += beat
            self._samples.clear()
            beat = 0.0
        if self._sessions.note(seen):
            self._forget(now)
        elif seen.kept_share < 1.0:
            self._reduce(seen.kept_share)
        if seen.packets > self._packets:
            self._packets, self._silent_since = seen.packets, now
        self._samples.append((now, seen.packets, seen.packets - self._firsts))
        while now - self._samples[0][0] > PERIOD_SECONDS:
            self._samples.popleft()
        received, has_period = self._received(now)
        due_rate = self._learn_rate(beat)
        due = round(due_rate * STARVED_SECONDS) if seen.expected else 0
        is_starved = has_period and due >= FEWEST_DUE and received < STARVED_SHARE * due
        self._condition = self._judge(seen, now + beat, due_rate=due_rate, is_starved=is_starved)
        return DeliveryReading(self._condition, received, due)

    def _judge(self, seen: Reading, next_at: float, *, due_rate: float, is_starved: bool) -> Delivery:
        # If the next check would find the silence too long, it is too long now.
        silence = next_at - self._silent_since
        is_silent = self._condition is Delivery.SILENT and self._silent_since < self._checked_at
        if seen.expected and silence > SILENT_SECONDS and silence * due_rate >= EXPECTED_PACKETS:
            is_silent = True
        if is_silent:
            return Delivery.SILENT
        return Delivery.STARVED if is_starved else Delivery.FLOWING

    def _learn_rate(self, beat: float) -> float:
        """Return the due rate in packets a second, after this check."""
        self._due_rate *= 0.5 ** (beat / HALF_LIFE_SECONDS)
        (began_at, _, first), (ended_at, _, last) = self._samples[0], self._samples[-1]
        # At least `STARVED_SECONDS`: a burst in the first seconds of a socket is no rate.
        measured = (last - first) / max(ended_at - began_at, STARVED_SECONDS)
        self._due_rate = max(measured, self._due_rate)
        return self._due_rate

    def _reduce(self, share: float) -> None:
        """Leave `share` of the known packets: the others were those of instruments that are no longer sent."""
        self._due_rate *= share
        if self._samples:
            _, newest, newest_later = self._samples[-1]
            self._samples = deque(
                (at, newest - share * (newest - packets), newest_later - share * (newest_later - later))
                for at, packets, later in self._samples
            )

    def _received(self, now: float) -> tuple[int, bool]:
        """Return the packets of the last `STARVED_SECONDS`, and whether the socket is observed for so long."""
        before = next(packets for at, packets, _ in self._samples if now - at <= STARVED_SECONDS)
        return round(self._samples[-1][1] - before), now - self._samples[0][0] >= STARVED_SECONDS

    def _forget(self, now: float) -> None:
        """Start again: a session has begun or ended, so the known rate does not apply any more."""
        self._samples.clear()
        self._due_rate = 0.0
        if self._condition is not Delivery.SILENT:
            self._silent_since = now
