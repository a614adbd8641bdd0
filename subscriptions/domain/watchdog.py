"""Detects a mute socket: open, with pings, but without packets although packets are expected.

Times are monotonic seconds, passed as arguments. The rule, step by step:

1. Out of session no packet is expected and no silence is too long. Pings do not count as packets.
2. In session the limit is `mute_seconds` where at least `EXPECTED_PACKETS` would have come in that time, else
   `sparse_seconds`.
3. The expected number comes from the last minute of this socket, or at first from the former socket. Where instruments
   were unsubscribed, it falls by their share of the packets.
4. The first packet of each instrument is not counted: the broker sends one after every subscription, also of an
   instrument that does not trade.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from marketdata.domain.instruments import ExchangeSegment

EXPECTED_PACKETS: Final = 20
"""Chosen: if packets come at random, none in a period that has 20 on average has a chance of 2e-9 (exp(-20))."""
PERIOD_SECONDS: Final = 60.0
"""Chosen: long enough to average bursts, short enough to follow the market's pace."""
UNCHECKED_SECONDS: Final = 2.0
"""Chosen: eight beats of the monitor; after a longer gap the process was frozen, and the silence was its own."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The longest silence in session: where packets are frequent, and elsewhere."""

    # Chosen: the longest time for which old prices may look live where the market moves; an illiquid contract may well
    # have no packet for a minute.
    mute_seconds: float = 10.0
    sparse_seconds: float = 90.0


@dataclass(frozen=True, slots=True)
class Reading:
    """The readings of a socket: packets and streaming instruments so far, and what is sent."""

    packets: int
    streaming: int
    sent: int
    """Number of sent instruments."""
    segments: frozenset[ExchangeSegment]
    """Segments of the sent instruments."""
    expected: frozenset[ExchangeSegment]
    """Those of them that are in session."""
    kept_share: float = 1.0
    """Which share of the recent packets the instruments had that were not removed since the last reading."""


class SessionChanges:
    """Notices where a session begins or ends. Instruments that come or go begin and end none."""

    def __init__(self) -> None:
        self._segments: frozenset[ExchangeSegment] = frozenset()
        self._expected: frozenset[ExchangeSegment] = frozenset()

    def note(self, seen: Reading) -> bool:
        """Return whether a segment of the last reading and of this one is in session in only one of them."""
        is_change = bool((self._expected ^ seen.expected) & self._segments & seen.segments)
        self._segments, self._expected = seen.segments, seen.expected
        return is_change


class Watchdog:
    """Checks the sockets of one connection, one after another."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._sessions = SessionChanges()
        self._samples: deque[tuple[float, float]] = deque()
        self._former_rate = self._opened_at = self._silent_since = self._checked_at = 0.0
        self._packets = self._streamed_before = self._sent_last = 0
        self._pause_at = -PERIOD_SECONDS

    def begin_socket(self, *, now: float, streamed_before: int) -> None:
        """Start with a new socket; `streamed_before` instruments streamed on the former one."""
        # A socket that lived a full period has its own rate. A shorter one may only raise the former socket's.
        is_known_well = self._packets and now - self._opened_at >= PERIOD_SECONDS
        self._former_rate = self._rate_here() if is_known_well else max(self._rate_here(), self._former_rate)
        self._streamed_before = streamed_before
        self._samples.clear()
        self._opened_at = self._silent_since = self._checked_at = now
        self._packets = 0

    def check(self, seen: Reading, *, now: float) -> float | None:
        """Return the seconds of silence if the socket is mute, else None."""
        # 1. Time without a check is not silence: the process may have been frozen, with packets waiting.
        beat = now - self._checked_at
        if beat > UNCHECKED_SECONDS:
            self._silent_since += beat
            beat = 0.0
        self._checked_at = now
        # 2. A session that begins or ends: the known rate does not apply any more. Removed instruments: a part of it.
        if self._sessions.note(seen):
            self._forget(now)
        elif seen.kept_share < 1.0:
            self._reduce(seen.kept_share)
        # 3. Packets end the silence. While the first subscriptions are still going out, it has not begun: they take
        # seconds, and traders who add and remove later must not delay it for longer.
        is_beginning = now - self._opened_at < self._limits.mute_seconds
        if seen.packets > self._packets:
            self._note_packets(seen, now)
        elif is_beginning and not self._packets and seen.sent != self._sent_last:
            self._silent_since = now
        self._sent_last = seen.sent
        # 4. If the next check, one beat later, would find the silence too long, it is mute now.
        silence = now - self._silent_since
        is_mute = bool(seen.sent and seen.expected) and silence + beat > self._silence_limit(now)
        return silence if is_mute else None

    def _note_packets(self, seen: Reading, now: float) -> None:
        """Record the packets that are not the first of their instrument."""
        # After a pause of half the limit the rate starts again: where pauses are usual, the average promises too much.
        if now - self._silent_since >= self._limits.mute_seconds / 2:
            self._samples.clear()
            self._former_rate, self._pause_at = 0.0, now
        self._packets, self._silent_since = seen.packets, now
        self._samples.append((now, seen.packets - seen.streaming))
        while now - self._samples[0][0] > PERIOD_SECONDS:
            self._samples.popleft()

    def _silence_limit(self, now: float) -> float:
        expected = self._rate_here()
        if now - self._opened_at < PERIOD_SECONDS:
            expected = max(expected, self._former_rate)
        # Before the first packet: each instrument that streamed before sends one after its subscription.
        if not self._packets:
            expected = max(expected, float(self._streamed_before))
        return self._limits.mute_seconds if expected >= EXPECTED_PACKETS else self._limits.sparse_seconds

    def _rate_here(self) -> float:
        """Return the packets expected in `mute_seconds`, from the rate of the last minute of this socket."""
        # For a period after a pause no rate is believed.
        if not self._samples or self._samples[-1][0] - self._pause_at < PERIOD_SECONDS:
            return 0.0
        (began_at, first), (ended_at, last) = self._samples[0], self._samples[-1]
        # At least `mute_seconds`: a burst in the first seconds of a socket is no rate.
        span = max(ended_at - began_at, self._limits.mute_seconds)
        return (last - first) / span * self._limits.mute_seconds

    def _reduce(self, share: float) -> None:
        """Leave `share` of the known rate: the other packets were those of instruments that are no longer sent."""
        self._former_rate *= share
        newest = self._samples[-1][1] if self._samples else 0.0
        self._samples = deque((at, newest - share * (newest - packets)) for at, packets in self._samples)

    def _forget(self, now: float) -> None:
        self._samples.clear()
        self._former_rate = 0.0
        self._streamed_before = self._sent_last = 0
        self._silent_since = now
