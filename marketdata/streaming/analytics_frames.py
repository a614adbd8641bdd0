"""Analytics on the browser's wire: a binary frame of its own, and the outbox that decides when it is sent.

Pure. Analytics change with every tick and are read slowly, so a browser gets them once a second. The first frame after
its watched set changes, and after a resync, is a SNAPSHOT of all that is known of it; CHANGES frames follow. A socket
keeps the order of its frames, so these have no sequence and need no acknowledgement: none is sent while the quotes of
this browser wait for one (`outbox`). The first byte tells them from frames of quotes. The JavaScript twin is
`static/marketdata/analytics.js`; both are tested with the bytes in `tests/data/analytics_frames.json`.

    header, 20 bytes, little-endian
     0 u8   version, 130                      6 u16  zero
     1 u8   kind: 0 changes, 1 snapshot       8 f64  server time, true UTC epoch in ms
     2 u16  rows of options                  16 u32  zero
     4 u16  rows of series

Then the rows of options, 44 bytes each (OPTION_ROW), and of series, 152 bytes each (SERIES_ROW).
"""

import struct
from collections.abc import Sequence
from typing import Final

from marketdata.domain.analytics.derived_rows import Rows
from marketdata.streaming.derived_mirror import DerivedMirror
from marketdata.streaming.frames import BrowserFrameKind

ANALYTICS_VERSION: Final = 130
"""129 and up: frames of quotes count from 1."""
INTERVAL_SECONDS: Final = 1.0  # Chosen: numbers that change more often cannot be compared down a column.
_HEADER: Final = struct.Struct("<BBHHHdI")


def encode_analytics(kind: BrowserFrameKind, options: Rows, series: Rows, *, server_time_ms: int) -> bytes:
    """Return a frame of these rows."""
    header = _HEADER.pack(ANALYTICS_VERSION, kind, len(options), len(series), 0, float(server_time_ms), 0)
    return header + options.tobytes() + series.tobytes()


class AnalyticsOutbox:
    """The analytics of one browser socket."""

    def __init__(self) -> None:
        self._option_ids: tuple[int, ...] = ()
        self._series_ids: tuple[int, ...] = ()
        self._seen_version = 0
        self._is_snapshot_due = False
        self._sent_at = 0.0

    def watch(self, option_ids: Sequence[int], series_ids: Sequence[int]) -> None:
        """Replace the watched set; the next frame is a snapshot of it."""
        self._option_ids, self._series_ids = tuple(dict.fromkeys(option_ids)), tuple(dict.fromkeys(series_ids))
        self.resync()

    def resync(self) -> None:
        """Make the next frame a snapshot."""
        self._is_snapshot_due, self._seen_version = True, 0

    def next_frame(self, mirror: DerivedMirror, *, now: float, now_ms: int) -> bytes | None:
        """Return the frame to send at `now` (monotonic seconds), or None. A returned frame counts as sent.

        Without a watched series nothing is sent: only chains show analytics.
        """
        if not self._series_ids or (not self._is_snapshot_due and now - self._sent_at < INTERVAL_SECONDS):
            return None
        kind = BrowserFrameKind.SNAPSHOT if self._is_snapshot_due else BrowserFrameKind.CHANGES
        options, series = mirror.changed_since(self._option_ids, self._series_ids, self._seen_version)
        self._seen_version, self._sent_at, self._is_snapshot_due = mirror.version, now, False
        # Nothing is known, or nothing has changed. A page forgets what it knew by itself when it opens another chain.
        if not len(options) and not len(series):
            return None
        return encode_analytics(kind, options, series, server_time_ms=now_ms)
