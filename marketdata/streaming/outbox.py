"""The conflating outbox of one browser: which frame to send, and when.

Pure; time is an argument (monotonic seconds). There is no queue. The next frame holds the watched rows that changed
since the last frame, a comparison with the mirror; browsers in step share its rows (`moments`). So a slow browser costs
the same memory as a fast one, and gets the newest state later instead of every state late. Back-pressure comes from
acknowledgements alone: daphne does not apply any to a stalled client (design, section 4).
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np

from marketdata.streaming.frames import BrowserFrameKind, join_browser_frame
from marketdata.streaming.mirror import QuoteMirror, Slots
from marketdata.streaming.moments import Moment

# Chosen: 10 Hz is the rate of the owners' flushes (FLUSH_MS is 100); nothing newer exists between two flushes.
RATES_HZ: Final = (1, 4, 10)
# Chosen: numbers that change more than four times a second are hard to read.
DEFAULT_RATE_HZ: Final = 4
# Chosen: one frame on its way and one being painted, so that a round trip longer than the interval costs no rate.
MAX_UNACKNOWLEDGED: Final = 2
# Chosen: a third of CLOSE_AFTER_SECONDS, so that the rate falls well before the socket is closed.
SLOW_AFTER_SECONDS: Final = 5.0
# Chosen: longer than a laptop's short network switch; documented with close code 4408.
CLOSE_AFTER_SECONDS: Final = 15.0
# Heartbeat: an empty frame when nothing changed. Chosen below 1 s: the browser calls a silent socket lost after 2 s.
SIGN_OF_LIFE_SECONDS: Final = 0.75


class Outbox:
    """The frames of one browser socket."""

    def __init__(self, *, epoch: int, now: float) -> None:
        self.rate_hz = DEFAULT_RATE_HZ
        self._epoch = epoch
        self._sequence = 0
        self._ids: tuple[int, ...] = ()
        # The slots of these instruments in a mirror that knew this many.
        self._slots: Slots = np.empty(0, dtype=np.intp)
        self._known = -1
        self._seen_version = 0
        self._is_snapshot_due = False
        self._last_sent_at = now
        self._unacknowledged: deque[tuple[int, float]] = deque()

    def watch(self, instrument_ids: Sequence[int]) -> None:
        """Replace the watched set; the next frame is a snapshot of it. Duplicates are dropped."""
        # An instrument in two watches is sent once.
        self._ids, self._known = tuple(dict.fromkeys(instrument_ids)), -1
        self._is_snapshot_due = True

    def resync(self) -> None:
        """Make the next frame a snapshot."""
        self._is_snapshot_due = True

    def acknowledge(self, sequence: int) -> None:
        """Record that the browser has applied every frame up to `sequence`."""
        while self._unacknowledged and self._unacknowledged[0][0] <= sequence:
            self._unacknowledged.popleft()

    @property
    def unacknowledged(self) -> int:
        """Number of frames that were sent and not acknowledged."""
        return len(self._unacknowledged)

    @property
    def is_blocked(self) -> bool:
        """Whether no frame may be sent before an acknowledgement."""
        return len(self._unacknowledged) >= MAX_UNACKNOWLEDGED

    def is_slow(self, now: float) -> bool:
        """Return whether an acknowledgement is missing for so long that the rate falls to 1 Hz."""
        return self._oldest_wait(now) >= SLOW_AFTER_SECONDS

    def is_stalled(self, now: float) -> bool:
        """Return whether an acknowledgement is missing for so long that the socket is closed."""
        return self._oldest_wait(now) >= CLOSE_AFTER_SECONDS

    def interval_seconds(self, now: float) -> float:
        """Return the minimum time between two frames."""
        return 1.0 if self.is_slow(now) else 1.0 / self.rate_hz

    def seconds_until_due(self, now: float) -> float:
        """Return the time until the next frame may be sent."""
        # A snapshot skips the interval, because a person waits for it, but not the limit on unacknowledged frames.
        if self._is_snapshot_due and not self.is_blocked:
            return 0.0
        # The next multiple of the interval after the last frame: browsers of one rate are due together.
        interval = self.interval_seconds(now)
        return max(0.0, (self._last_sent_at // interval + 1) * interval - now)

    def next_frame(self, mirror: QuoteMirror, moment: Moment, *, at_once: bool = False) -> bytes | None:
        """Return the frame to send at `moment`, or None. A returned frame counts as sent.

        `at_once` skips the interval, not the limit on unacknowledged frames.
        """
        now = moment.at
        if self.is_blocked or (self.seconds_until_due(now) > 0 and not at_once):
            return None
        kind, rows, seen_version = BrowserFrameKind.CHANGES, b"", mirror.version
        if self._is_snapshot_due:
            kind, rows = BrowserFrameKind.SNAPSHOT, mirror.rows_of(self._ids, now_ms=moment.now_ms).tobytes()
        elif moment.is_in_step(self._seen_version):
            rows, seen_version = moment.changes(mirror, self._ids, self._slots_in(mirror)), moment.version
        else:
            slots = mirror.changed_since(self._slots_in(mirror), self._seen_version)
            rows = mirror.rows_at(slots, now_ms=moment.now_ms).tobytes()
        # Without rows, nothing that it watches has changed until then: it stays in step without a frame.
        self._seen_version = seen_version
        if not rows and kind is BrowserFrameKind.CHANGES and now - self._last_sent_at < SIGN_OF_LIFE_SECONDS:
            return None
        # Nothing below can fail: the sequence must agree with the frame that is returned.
        self._sequence += 1
        self._is_snapshot_due, self._last_sent_at = False, now
        self._unacknowledged.append((self._sequence, now))
        return join_browser_frame(
            kind,
            sequence=self._sequence,
            server_time_ms=moment.now_ms,
            epoch=self._epoch,
            status=moment.status,
            rows=rows,
        )

    def _slots_in(self, mirror: QuoteMirror) -> Slots:
        """Return the slots of the watched instruments; looked up again only when the mirror has got more of them."""
        if self._known != len(mirror):
            self._known, self._slots = len(mirror), mirror.slots_of(self._ids)
        return self._slots

    def _oldest_wait(self, now: float) -> float:
        return now - self._unacknowledged[0][1] if self._unacknowledged else 0.0
