"""What one owner counts of its connection, over all sockets of one epoch. Plain integers on the owner's loop."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from marketdata.dhan.counters import Counters
from marketdata.dhan.trade_lags import TradeLags
from marketdata.domain.feed_statistics import (
    FLUSH_BOUNDS,
    LAG_BOUNDS,
    TRADE_LAG_BOUNDS,
    FeedStatistics,
    Histogram,
)
from marketdata.domain.quote_rows import Rows
from marketdata.domain.quote_state import Pulse
from marketdata.domain.tick_rules import TickFault
from subscriptions.domain.connection_life import DisconnectCause
from subscriptions.feed.connection.owner import Owner

# Field of the table's counters -> the kind that is reported.
DECODE_ERRORS: Final = {"malformed": "malformed", "unknown": "unknown", "strangers": "stranger"}


class ConnectionStatistics:
    """The running figures of one owner."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._past: Counter[str] = Counter()
        self._counters = owner.table.counters
        self._flush = Histogram(FLUSH_BOUNDS)
        self._publish_lag = Histogram(LAG_BOUNDS)
        self._loop_lag = Histogram(LAG_BOUNDS)
        self._trade_lag = Histogram(TRADE_LAG_BOUNDS)
        self._trades = TradeLags()
        self._pulse = Pulse()
        self.lost_writes = 0

    def note_flush(self, rows: Rows, *, late_seconds: float, took_seconds: float) -> None:
        """Note one flush: how late it began, how long it took to read what had come, and what changed."""
        self._loop_lag.add(late_seconds)
        self._flush.add(took_seconds)
        if len(rows):
            self._trade_lag.add_all(self._trades.take(rows))
            self._pulse.note(self._trades.segments, now=time.monotonic())
        self._follow_socket()

    def note_published(self, *, lag_seconds: float) -> None:
        """Note that the board took a frame, so long after its flush was due."""
        self._publish_lag.add(lag_seconds)

    def list_ticking(self) -> Sequence[int]:
        """Return the segments in which trades are seen, whatever the calendar says."""
        return sorted(self._pulse.list_ticking(now=time.monotonic()))

    def read(self) -> FeedStatistics:
        """Return the figures as they are now."""
        self._follow_socket()
        counts = self._past + _values(self._counters)
        return FeedStatistics(
            packets=counts["packets"],
            bytes=counts["bytes"],
            lost_writes=self.lost_writes,
            decode_errors={kind: counts[name] for name, kind in DECODE_ERRORS.items()},
            impossible_ticks={fault.value: counts[fault.value] for fault in TickFault},
            reconnects={cause.value: self._owner.reconnects[cause] for cause in DisconnectCause},
            flush=self._flush.read(),
            publish_lag=self._publish_lag.read(),
            loop_lag=self._loop_lag.read(),
            trade_lag=self._trade_lag.read(),
        )

    def _follow_socket(self) -> None:
        """Keep what a former socket counted: the table counts from nothing with every socket."""
        if self._owner.table.counters is not self._counters:
            self._past += _values(self._counters)
            self._counters = self._owner.table.counters


def _values(counters: Counters) -> "Counter[str]":
    return Counter({name: getattr(counters, name) for name in ("packets", "bytes", *DECODE_ERRORS, *TickFault)})
