"""One browser at the quote hub: its outboxes, the status that it was sent last, and the time of its next frame."""

import asyncio
from collections.abc import Callable, Iterator, Sequence

from marketdata.streaming.analytics_frames import AnalyticsOutbox
from marketdata.streaming.derived_mirror import DerivedMirror
from marketdata.streaming.details import DetailOutbox, DetailTable
from marketdata.streaming.feed_status import FeedStatus, Room
from marketdata.streaming.outbox import Outbox

Clock = Callable[[], float]
"""Seconds that never go back."""


class Client:
    """One browser at the hub: its outbox, and an event that wakes the task that sends."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self.outbox = outbox
        self.analytics = AnalyticsOutbox()
        self.details = DetailOutbox()
        self._clock = clock
        self.sent_feed: FeedStatus | None = None
        self.sent_room: Room | None = None
        self._ready = asyncio.Event()

    def watch(self, instrument_ids: Sequence[int], series_ids: Sequence[int] = ()) -> None:
        """Replace the watched set; a snapshot of it follows at once."""
        self.outbox.watch(instrument_ids)
        self.analytics.watch(instrument_ids, series_ids)
        self._ready.set()

    def resync(self) -> None:
        """Send a snapshot at once."""
        self.outbox.resync()
        self.analytics.resync()
        self.details.resync()
        self._ready.set()

    def other_frames(self, details: DetailTable, derived: DerivedMirror, *, now: float, now_ms: int) -> Iterator[bytes]:
        """Yield the frames beside those of quotes that are due at `now`, monotonic seconds."""
        interval = self.outbox.interval_seconds(now)
        frames = (
            self.details.next_frame(details, now=now, now_ms=now_ms, interval_seconds=interval),
            self.analytics.next_frame(derived, now=now, now_ms=now_ms),
        )
        return filter(None, frames)

    def wake(self) -> None:
        """Wake the sending task now."""
        self._ready.set()

    async def wait_until_due(self) -> None:
        """Return at the next interval, or at once after `watch`, `resync` or `wake`."""
        now = self._clock()
        interval = self.outbox.interval_seconds(now)
        # 0: a frame is overdue, but nothing changed or acknowledgements hold it back. Wait for the next instant of this
        # rate; never loop without a pause.
        pause = self.outbox.seconds_until_due(now) or interval - now % interval
        # A timer and no `asyncio.timeout`, which ends each wait with a cancellation and two exceptions.
        timer = asyncio.get_running_loop().call_later(pause, self._ready.set)
        try:
            await self._ready.wait()
        finally:
            timer.cancel()
        self._ready.clear()
