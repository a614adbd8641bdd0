"""Which segments are open, and until when: the calendar and the observed trades together.

Pure. The hub gives it each calendar that it reads and the segments that trade.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from marketdata.domain.quote_state import SegmentActivity, list_changes, list_closed
from marketdata.domain.sessions import SessionBook
from marketdata.streaming.feed_status import FeedStatus


class MarketHours:
    """Without a calendar every weekday has the ordinary hours. `clock` readings are in monotonic seconds."""

    def __init__(self) -> None:
        self.calendar = SessionBook()
        self._activity = SegmentActivity()

    def note_trades(self, segments: Iterable[int], *, clock: float) -> None:
        """Record a trade in each of `segments`."""
        self._activity.note(segments, now=clock)

    def complete(self, feed: FeedStatus, *, now: datetime, clock: float) -> FeedStatus:
        """Return the status with the sessions of the segments; recent trades outrank the calendar."""
        closed = list_closed(self.calendar, ticking=self._activity.list_ticking(now=clock), now=now)
        changes = list_changes(self.calendar, closed=closed, now=now)
        return replace(
            feed,
            closed=tuple((int(segment), _milliseconds(since)) for segment, since in closed.items()),
            changes_at=tuple(
                (int(segment), None if at is None else _milliseconds(at)) for segment, at in changes.items()
            ),
        )


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)
