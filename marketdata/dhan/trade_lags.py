"""Trade lag: the time from a trade to the receipt of its packet, measured on liquid instruments only."""

from collections import deque
from typing import Final

import numpy as np
import numpy.typing as npt

from marketdata.dhan.packets import IST_OFFSET_SECONDS
from marketdata.domain.quote_rows import Known, Rows

# Chosen: an instrument that traded twice within this time counts as liquid now.
LIQUID_SECONDS: Final = 10
# Chosen: twice the capacity of a connection. Beyond it most remembered instruments are unsubscribed; all are dropped.
MOST_INSTRUMENTS: Final = 10_000

MEDIAN_SECONDS: Final = 5.0
"""Chosen: short, so that a delay shows within seconds; at 0.1 s a flush it has fifty samples of a busy connection."""
FEWEST_TRADES: Final = 5
"""Chosen: the median of fewer can be that of one odd trade time."""
_ROUNDING_SECONDS: Final = 0.5
"""LTT has whole seconds (docs/dhan.md), rounded down: a lag is too high by half a second on average."""

_PRICE_MARKS: Final = int(Known.TRADE | Known.SNAPSHOT | Known.EARLIER)


class TradeLags:
    """The last trade time of each instrument, updated with the rows of each flush."""

    def __init__(self) -> None:
        self._ids = np.empty(0, dtype=np.int64)
        self._traded_at = np.empty(0, dtype=np.int64)
        self.segments: frozenset[int] = frozenset()
        """Segments of the trades that the last `take` returned, as the numbers in packets."""

    def take(self, rows: Rows) -> npt.NDArray[np.float64]:
        """Return the lag in seconds of each trade in `rows` that followed another within LIQUID_SECONDS."""
        # Only prices that a packet of this socket brought: a snapshot or a former socket says nothing about the feed
        # now.
        is_price = (rows["known"] & _PRICE_MARKS) == int(Known.TRADE)
        ids, traded_at = rows["instrument_id"][is_price].astype(np.int64), rows["ltt"][is_price].astype(np.int64)
        slots = self._find(ids)
        before = self._traded_at[slots]
        self._traded_at[slots] = traded_at
        # LTT repeats with every change of a quote, and the first packet of a subscription has a trade of any age. So
        # only a trade that follows another one within seconds measures the feed.
        is_fresh = (before > 0) & (traded_at > before) & (traded_at - before <= LIQUID_SECONDS)
        self.segments = frozenset(np.unique(rows["segment"][is_price][is_fresh]).tolist())
        received_ms = rows["received_at_ms"][is_price][is_fresh].astype(np.int64)
        # LTT has whole seconds, so a lag is too high by up to one second. The reception time is true UTC, LTT is not.
        lags: npt.NDArray[np.float64] = received_ms / 1_000 - (traded_at[is_fresh] - IST_OFFSET_SECONDS)
        return lags

    def _find(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the positions of `ids` in the memory; a new id is added without a trade time."""
        slots: npt.NDArray[np.int64] = np.searchsorted(self._ids, ids)
        # `searchsorted` returns the length for an id above all others: it must not be used as an index.
        is_known = slots < len(self._ids)
        is_known[is_known] = self._ids[slots[is_known]] == ids[is_known]
        if is_known.all():
            return slots
        is_full = len(self._ids) + len(ids) > MOST_INSTRUMENTS
        known, times = (self._ids[:0], self._traded_at[:0]) if is_full else (self._ids, self._traded_at)
        # Sorted and without repeats. Positions change with each new id, so the times are copied to their new places.
        self._ids = np.union1d(known, ids)
        self._traded_at = np.zeros(len(self._ids), dtype=np.int64)
        self._traded_at[np.searchsorted(self._ids, known)] = times
        return np.searchsorted(self._ids, ids)


class RecentLags:
    """The lags of the last MEDIAN_SECONDS. `now` is in monotonic seconds."""

    def __init__(self) -> None:
        self._lags: deque[tuple[float, npt.NDArray[np.float64]]] = deque()

    def add(self, lags: npt.NDArray[np.float64], *, now: float) -> None:
        """Add the lags of one flush, in seconds."""
        if len(lags):
            self._lags.append((now, lags))

    def median(self, *, now: float) -> float | None:
        """Return the median lag in seconds, corrected for the rounding of LTT; None if too few trades were measured."""
        while self._lags and now - self._lags[0][0] > MEDIAN_SECONDS:
            self._lags.popleft()
        if sum(len(lags) for _, lags in self._lags) < FEWEST_TRADES:
            return None
        lag = float(np.median(np.concatenate([lags for _, lags in self._lags])))
        return max(0.0, lag - _ROUNDING_SECONDS)
