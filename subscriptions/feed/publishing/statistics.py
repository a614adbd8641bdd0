"""The statistics of one connection over all sockets of one epoch: plain integers, counted on the worker's loop."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from marketdata.dhan.counters import Counters
from marketdata.dhan.trade_lags import RecentLags, TradeLags
from marketdata.domain.feed_statistics import FLUSH_BOUNDS, LAG_BOUNDS, TRADE_LAG_BOUNDS, FeedStatistics, Histogram
from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.quote_rows import Rows
from marketdata.domain.quote_state import SegmentActivity
from marketdata.domain.tick_rules import TickFault
from subscriptions.domain.connection_life import DisconnectCause
from subscriptions.feed.connection.life import ConnectionLifecycle

# Field of the table's counters -> label of the metric.
DECODE_ERRORS: Final = {"malformed": "malformed", "unknown": "unknown", "strangers": "stranger"}


class ConnectionStatistics:
    """The running statistics of one connection."""

    def __init__(self, connection: ConnectionLifecycle) -> None:
        self._connection = connection
        # Counters of former sockets. Prometheus counters must not fall when a connection reopens.
        self._past: Counter[str] = Counter()
        self._counters = connection.table.counters
        self._flush = Histogram(FLUSH_BOUNDS)
        self._publish_lag = Histogram(LAG_BOUNDS)
        self._loop_lag = Histogram(LAG_BOUNDS)
        self._trade_lag = Histogram(TRADE_LAG_BOUNDS)
        self._trades = TradeLags()
        self._recent_lags = RecentLags()
        self._activity = SegmentActivity()
        self._lost_writes = 0

    def note_flush(self, rows: Rows, *, late_seconds: float, took_seconds: float) -> None:
        """Record one flush: its delay, the time to decode its packets, and the rows that changed."""
        self._loop_lag.add(late_seconds)
        self._flush.add(took_seconds)
        if len(rows):
            lags, now = self._trades.take(rows), time.monotonic()
            self._trade_lag.add_all(lags)
            self._recent_lags.add(lags, now=now)
            self._activity.note(self._trades.segments, now=now)
        self._follow_socket()

    def note_published(self, *, lag_seconds: float) -> None:
        """Record that Redis took a frame; the lag counts from the time for which its flush was scheduled."""
        self._publish_lag.add(lag_seconds)

    def note_lost_write(self) -> None:
        """Record a write that Redis did not take in time."""
        self._lost_writes += 1

    def trade_lag_seconds(self) -> float | None:
        """Return the median trade lag of the last seconds; None where too few liquid instruments trade."""
        lag = self._recent_lags.median(now=time.monotonic())
        return None if lag is None else round(lag, 1)

    def list_ticking(self) -> Sequence[ExchangeSegment]:
        """Return the segments with recent trades, independent of the calendar."""
        return sorted(self._activity.list_ticking(now=time.monotonic()))

    def read(self) -> FeedStatistics:
        """Return the statistics as of now."""
        self._follow_socket()
        counts = self._past + _values(self._counters)
        return FeedStatistics(
            packets=counts["packets"],
            bytes=counts["bytes"],
            lost_writes=self._lost_writes,
            decode_errors={kind: counts[name] for name, kind in DECODE_ERRORS.items()},
            impossible_ticks={fault.value: counts[fault.value] for fault in TickFault},
            reconnects={cause.value: self._connection.reconnects[cause] for cause in DisconnectCause},
            flush=self._flush.read(),
            publish_lag=self._publish_lag.read(),
            loop_lag=self._loop_lag.read(),
            trade_lag=self._trade_lag.read(),
        )

    def _follow_socket(self) -> None:
        """Add up the counters of former sockets."""
        # The table makes new counters for each socket, so another object means that the old one is final.
        if self._connection.table.counters is not self._counters:
            self._past += _values(self._counters)
            self._counters = self._connection.table.counters


def _values(counters: Counters) -> "Counter[str]":
    return Counter({name: getattr(counters, name) for name in ("packets", "bytes", *DECODE_ERRORS, *TickFault)})
