"""What one browser is owed, and when: rate, acknowledgements, the conflated set.

Pure; time comes as an argument (monotonic seconds). There is no queue: what is owed is "rows of what is
watched that changed since the last frame", a comparison against the mirror, so a browser that reads slowly
costs the same memory as one that reads fast and gets the newest state later instead of every state late.
Flow control rests on acknowledgements alone, because not every ASGI server pushes back.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from marketdata.streaming.frames import BrowserFrame, BrowserFrameKind, encode_browser_frame
from marketdata.streaming.mirror import QuoteMirror

RATES_HZ: Final = (1, 4, 10)
DEFAULT_RATE_HZ: Final = 4
MAX_UNACKNOWLEDGED: Final = 2
SLOW_AFTER_SECONDS: Final = 5.0
CLOSE_AFTER_SECONDS: Final = 15.0
# A frame without rows when nothing changed: the browser tells a quiet market from a lost socket by it.
SIGN_OF_LIFE_SECONDS: Final = 0.75


class Outbox:
    """The frames of one browser socket."""

    def __init__(self, *, epoch: int, now: float) -> None:
        self.rate_hz = DEFAULT_RATE_HZ
        self._epoch = epoch
        self._sequence = 0
        self._ids: tuple[int, ...] = ()
        self._seen_version = 0
        self._is_snapshot_due = False
        self._last_sent_at = now
        self._unacknowledged: deque[tuple[int, float]] = deque()

    def watch(self, instrument_ids: Sequence[int]) -> None:
        """Watch exactly these from now on; the next frame is a snapshot of them."""
        self._ids = tuple(dict.fromkeys(instrument_ids))
        self._is_snapshot_due = True

    def resync(self) -> None:
        """Make the next frame a snapshot."""
        self._is_snapshot_due = True

    def acknowledge(self, sequence: int) -> None:
        """Note that the browser has taken in every frame up to `sequence`."""
        while self._unacknowledged and self._unacknowledged[0][0] <= sequence:
            self._unacknowledged.popleft()

    @property
    def unacknowledged(self) -> int:
        """How many frames were sent and not acknowledged."""
        return len(self._unacknowledged)

    def is_slow(self, now: float) -> bool:
        """Whether the browser has owed an acknowledgement long enough to get fewer frames."""
        return self._oldest_wait(now) >= SLOW_AFTER_SECONDS

    def is_stalled(self, now: float) -> bool:
        """Whether the browser has owed an acknowledgement too long to be kept."""
        return self._oldest_wait(now) >= CLOSE_AFTER_SECONDS

    def interval_seconds(self, now: float) -> float:
        """Return the least time between two frames."""
        return 1.0 if self.is_slow(now) else 1.0 / self.rate_hz

    def seconds_until_due(self, now: float) -> float:
        """Return how long the sender may sleep."""
        if self._is_snapshot_due and len(self._unacknowledged) < MAX_UNACKNOWLEDGED:
            return 0.0
        return max(0.0, self._last_sent_at + self.interval_seconds(now) - now)

    def next_frame(self, mirror: QuoteMirror, *, now: float, now_ms: int, feed_age_ms: int | None) -> bytes | None:
        """Return the frame to send now, or None; a frame returned counts as sent."""
        if len(self._unacknowledged) >= MAX_UNACKNOWLEDGED or self.seconds_until_due(now) > 0:
            return None
        if self._is_snapshot_due:
            kind, rows = BrowserFrameKind.SNAPSHOT, mirror.rows_of(self._ids, now_ms=now_ms)
        else:
            slots = mirror.changed_since(mirror.slots_of(self._ids), self._seen_version)
            if not len(slots) and now - self._last_sent_at < SIGN_OF_LIFE_SECONDS:
                return None
            kind, rows = BrowserFrameKind.CHANGES, mirror.rows_at(slots, now_ms=now_ms)
        self._sequence += 1
        self._seen_version, self._is_snapshot_due, self._last_sent_at = mirror.version, False, now
        self._unacknowledged.append((self._sequence, now))
        return encode_browser_frame(
            BrowserFrame(
                kind=kind,
                sequence=self._sequence,
                server_time_ms=now_ms,
                epoch=self._epoch,
                feed_age_ms=feed_age_ms,
                rows=rows,
            )
        )

    def _oldest_wait(self, now: float) -> float:
        return now - self._unacknowledged[0][1] if self._unacknowledged else 0.0
