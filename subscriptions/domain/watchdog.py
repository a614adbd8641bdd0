"""Whether a socket that says nothing has nothing to say.

Pings keep a socket open while no data flows, so data is watched by itself. Ten seconds are too long a silence where
at least twenty packets were due in them, ninety anywhere else; outside of the sessions, and while all that was told
is frozen, nothing is due and no silence too long. What is due is known by what came before: on this socket, or,
after an opening, on the former one. The first packet of each instrument proves no rate: the broker sends one on any
subscription. What was learnt while other segments traded, or while much more was subscribed, is forgotten.

Pure; times are monotonic seconds, arguments. Time in which nobody looked is not silence.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from marketdata.domain.instruments import ExchangeSegment

DUE_PACKETS: Final = 20
PERIOD_SECONDS: Final = 60.0
UNCHECKED_SECONDS: Final = 2.0
"""A look that comes so much later than the one before found a process that did not run."""
_KEPT_SHARE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a silence may be, in seconds: where packets are due, and anywhere else in session."""

    mute_seconds: float = 10.0
    sparse_seconds: float = 90.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What a socket has at one look: counts since it opened, and which segments are due to say something."""

    packets: int
    streaming: int
    sent: int
    expected: frozenset[ExchangeSegment]


class Watchdog:
    """Watches the sockets of one connection, one after the other."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._expected: frozenset[ExchangeSegment] = frozenset()
        self._samples: deque[tuple[float, int]] = deque()
        self._former_due = self._opened_at = self._silent_since = self._checked_at = 0.0
        self._packets = self._streamed_before = self._sent = self._sent_last = 0
        self._lull_at = -PERIOD_SECONDS

    def begin_socket(self, *, now: float, streamed_before: int) -> None:
        """Take note of a new socket; as many instruments streamed on the one before."""
        is_known_well = self._packets and now - self._opened_at >= PERIOD_SECONDS
        self._former_due = self._due_here() if is_known_well else max(self._due_here(), self._former_due)
        self._streamed_before = streamed_before
        self._samples.clear()
        self._opened_at = self._silent_since = self._checked_at = now
        self._packets = self._sent = 0

    def check(self, seen: Reading, *, now: float) -> float | None:
        """Return after how many seconds of silence the socket is mute; None while it is not.

        A silence that would be too long at the next look, if that comes as soon as this one, is too long now.
        """
        beat = now - self._checked_at
        if beat > UNCHECKED_SECONDS:
            self._silent_since += beat
            beat = 0.0
        self._checked_at = now
        if seen.expected != self._expected or seen.sent < _KEPT_SHARE * self._sent:
            self._expected = seen.expected
            self._forget(now)
        self._sent = max(seen.sent, self._sent)
        if seen.packets > self._packets:
            self._note_packets(seen, now)
        elif not self._packets and seen.sent != self._sent_last:
            self._silent_since = now  # Still being told: nothing was due before.
        self._sent_last = seen.sent
        silence = now - self._silent_since
        is_mute = bool(seen.sent and seen.expected) and silence + beat > self._silence_limit(now)
        return silence if is_mute else None

    def _note_packets(self, seen: Reading, now: float) -> None:
        """Count repeats alone, and none for a while after a lull: where lulls are usual, a rate says little."""
        if now - self._silent_since >= self._limits.mute_seconds / 2:
            self._samples.clear()
            self._former_due, self._lull_at = 0.0, now
        self._packets, self._silent_since = seen.packets, now
        self._samples.append((now, seen.packets - seen.streaming))
        while now - self._samples[0][0] > PERIOD_SECONDS:
            self._samples.popleft()

    def _silence_limit(self, now: float) -> float:
        due = self._due_here()
        if now - self._opened_at < PERIOD_SECONDS:
            due = max(due, self._former_due)
        if not self._packets:
            due = max(due, float(self._streamed_before))
        return self._limits.mute_seconds if due >= DUE_PACKETS else self._limits.sparse_seconds

    def _due_here(self) -> float:
        """Return how many packets come in `mute_seconds`, by those of the last minute on this socket."""
        if not self._samples or self._samples[-1][0] - self._lull_at < PERIOD_SECONDS:
            return 0.0
        (began_at, first), (ended_at, last) = self._samples[0], self._samples[-1]
        span = max(ended_at - began_at, self._limits.mute_seconds)
        return (last - first) / span * self._limits.mute_seconds

    def _forget(self, now: float) -> None:
        self._samples.clear()
        self._former_due = 0.0
        self._streamed_before = self._sent = self._sent_last = 0
        self._silent_since = now
