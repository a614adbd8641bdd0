"""The levels of the drivers of a market by the minute: what its minute candles are made of.

A market records the level of every driver each time it moves. Memory is bounded: the minutes of one day.
"""

from typing import Final

import numpy as np

from simulator.pricing import Floats

MINUTE: Final = 60
MINUTES_KEPT: Final = 24 * 60


class MinuteLevels:
    """Open, high, low and close of every driver in each minute since the market began."""

    def __init__(self) -> None:
        self._minutes: dict[int, Floats] = {}

    def record(self, now: float, levels: Floats) -> None:
        """Add the levels at `now`, a Unix time."""
        minute = int(now) // MINUTE
        found = self._minutes.get(minute)
        if found is None:
            self._minutes[minute] = np.tile(levels, (4, 1))
            if len(self._minutes) > MINUTES_KEPT:
                del self._minutes[next(iter(self._minutes))]
            return
        np.maximum(found[1], levels, out=found[1])
        np.minimum(found[2], levels, out=found[2])
        found[3] = levels

    def list_minutes(self, driver: int) -> list[tuple[int, Floats]]:
        """Return the recorded minutes of a driver, the earliest first: its Unix time, and the four levels."""
        return [(minute * MINUTE, levels[:, driver]) for minute, levels in self._minutes.items()]
