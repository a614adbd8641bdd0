"""Statistics of one feed connection: counters and histograms, as its owner counts and publishes them.

Counting starts at zero when an owner acquires its connection, so each value belongs to one epoch, over all its sockets.
Kinds and causes are closed sets of short names, never free text: they become label values of metrics. All times are in
seconds.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final

import numpy as np
import numpy.typing as npt

# Chosen: reading a flush takes 1 to 5 ms (benchmarks/README.md); the last bounds show a blocked loop.
FLUSH_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
# Chosen: from well under one FLUSH_MS (0.1 s) to the age at which prices count as stale (3 s).
LAG_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# Chosen: LTT has whole seconds (docs/dhan.md), so finer bounds would show nothing. Delayed is above 3 s, stale 30 s.
TRADE_LAG_BOUNDS: Final = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)


@dataclass(frozen=True, slots=True)
class HistogramReading:
    """The values of a histogram. `counts` has one entry more than `bounds`: the values above the last bound."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float = 0.0  # sum of all values

    def cumulative(self) -> list[tuple[str, float]]:
        """Return (upper bound, count of values up to it) in Prometheus form; the last bound is +Inf."""
        # Prometheus counts are cumulative: each bound includes all values below it.
        names = [*(f"{bound:g}" for bound in self.bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(self.counts)), strict=True))


class Histogram:
    """Counts values by size. A negative value counts as 0: two clocks can differ."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        value = max(0.0, value)
        # The left side: a value equal to a bound belongs to that bound, as `le` in Prometheus says.
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def add_all(self, values: npt.NDArray[np.float64]) -> None:
        """Count all of `values`."""
        values = np.maximum(values, 0.0)
        # The same side as `bisect_left`. One bincount for a whole flush instead of a loop over its values.
        places = np.searchsorted(self._bounds, values)
        for place, count in enumerate(np.bincount(places, minlength=len(self._counts)).tolist()):
            self._counts[place] += count
        self._total += float(values.sum())

    def read(self) -> HistogramReading:
        """Return the present values."""
        # Six decimals are microseconds; further digits are the rounding errors of the sum.
        return HistogramReading(self._bounds, tuple(self._counts), round(self._total, 6))


def _empty(bounds: tuple[float, ...]) -> HistogramReading:
    return Histogram(bounds).read()


@dataclass(frozen=True, slots=True)
class FeedStatistics:
    """The statistics of one owner since it acquired its connection."""

    packets: int = 0
    bytes: int = 0
    lost_writes: int = 0  # to the quote board
    decode_errors: Mapping[str, int] = field(default_factory=dict)  # by kind
    impossible_ticks: Mapping[str, int] = field(default_factory=dict)  # by kind
    reconnects: Mapping[str, int] = field(default_factory=dict)  # by cause
    flush: HistogramReading = field(default_factory=lambda: _empty(FLUSH_BOUNDS))
    publish_lag: HistogramReading = field(default_factory=lambda: _empty(LAG_BOUNDS))
    loop_lag: HistogramReading = field(default_factory=lambda: _empty(LAG_BOUNDS))
    trade_lag: HistogramReading = field(default_factory=lambda: _empty(TRADE_LAG_BOUNDS))

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "FeedStatistics":
        """Return the statistics in `values` (the dictionary of `dataclasses.asdict`); ignore unknown names.

        >>> FeedStatistics.parse({"packets": 3, "of_tomorrow": 1}).packets
        3
        """
        # During a deploy the report can come from another version: only names that both know are read.
        known: dict[str, Any] = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        known.update({name: _histogram(known[name]) for name in _HISTOGRAMS & known.keys()})
        return cls(**known)


_HISTOGRAMS: Final = frozenset({"flush", "publish_lag", "loop_lag", "trade_lag"})


def _histogram(value: Mapping[str, Any]) -> HistogramReading:
    return HistogramReading(tuple(value["bounds"]), tuple(value["counts"]), value["total"])
