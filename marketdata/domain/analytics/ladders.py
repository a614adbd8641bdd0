"""Strikes of many series in one set of arrays, and reductions by series.

Rows are strikes, ascending within their series; the rows of a series are next to each other. Analytics of options have
the shape (rows, 2): the call and the put of the strike.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from marketdata.domain.analytics.black76 import Floats

Indices = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]

CALL, PUT = 0, 1  # columns
DIRECTIONS: Floats = np.array([1.0, -1.0])
"""The `sign` of `black76`, by column."""
MISSING = -1
"""An index of no row."""


@dataclass(frozen=True, slots=True)
class Ladders:
    """The listed strikes of `len(starts)` series; no series is empty.

    `strike_units` are strikes in 1/10,000 rupee, for exact sums; `tick_size` has the shape (rows, 2).
    """

    starts: Indices  # the first row of each series
    series: Indices  # the series of each row
    strike_units: npt.NDArray[np.int64]
    strike: Floats
    tick_size: Floats

    @property
    def ends(self) -> Indices:
        """The row after the last one of each series."""
        return np.append(self.starts[1:], len(self.strike))

    def rows_of_least(self, values: Floats) -> Indices:
        """Return the row with the least value of each series, the first of equal ones; NaN does not count."""
        comparable = np.where(np.isnan(values), np.inf, values)
        least = np.minimum.reduceat(comparable, self.starts)
        return self.first_rows((comparable == least[self.series]) & np.isfinite(comparable))

    def first_rows(self, is_match: Flags) -> Indices:
        """Return the first matching row of each series, MISSING where none matches."""
        rows = np.where(is_match, np.arange(len(is_match)), len(is_match))
        first = np.minimum.reduceat(rows, self.starts)
        return np.where(first < len(is_match), first, MISSING)

    def last_rows(self, is_match: Flags) -> Indices:
        """Return the last matching row of each series, MISSING where none matches."""
        return np.maximum.reduceat(np.where(is_match, np.arange(len(is_match)), MISSING), self.starts)

    def sums(self, values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the sum of each series."""
        return np.add.reduceat(values, self.starts)


def take_or_nan(values: Floats, rows: Indices) -> Floats:
    """Return the value at each of `rows`, NaN for MISSING."""
    return np.where(rows == MISSING, np.nan, values[rows])
