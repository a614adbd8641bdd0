"""Which instruments send a packet now, so that a chosen rate holds and nobody starves.

Half of the rate is shared evenly over everything subscribed, half by activity; no instrument updates more often than
the broker's conflation allows (about four a second, measured June 2026). Each instrument gathers credit at its own
rate and is due when it holds one; what the cap cuts off flows to the others.
"""

import numpy as np
import numpy.typing as npt

from simulator.packet_arrays import Rows
from simulator.pricing import Floats

MAX_UPDATES_PER_SECOND = 4.0
EVEN_SHARE = 0.5
MAX_ELAPSED_SECONDS = 0.5
_MAX_ROUNDS = 6


class Pacer:
    """Credit of every row of a listing; only subscribed rows gather any."""

    def __init__(self, activity: Floats, *, rate: float, random: np.random.Generator) -> None:
        self.rate = rate
        self._activity = activity
        self._random = random
        self._credit = random.random(len(activity))
        self._sent_at = np.zeros(len(activity))
        self._rows: Rows = np.zeros(0, dtype=np.intp)
        self._updates_per_second: Floats = np.zeros(0)
        self._turn_at: float | None = None

    def set_demand(self, rows: Rows, packets: npt.NDArray[np.float64]) -> None:
        """From now on share the rate over `rows`, of which an update costs `packets` each."""
        self._rows = rows
        self._updates_per_second = update_rates(self._activity[rows], packets, rate=self.rate)

    def due(self, now: float) -> Rows:
        """Return the rows that update at `now`, each once."""
        elapsed = 0.0 if self._turn_at is None else min(max(now - self._turn_at, 0.0), MAX_ELAPSED_SECONDS)
        self._turn_at = now
        if not len(self._rows):
            return self._rows
        jitter = 0.5 + self._random.random(len(self._rows))
        credit = self._credit[self._rows] + self._updates_per_second * elapsed * jitter
        is_due = (credit >= 1.0) & (now - self._sent_at[self._rows] >= 1.0 / MAX_UPDATES_PER_SECOND - 1e-6)
        self._credit[self._rows] = np.where(is_due, np.minimum(credit - 1.0, 1.0), np.minimum(credit, 2.0))
        rows = self._rows[is_due]
        self._sent_at[rows] = now
        return rows


def update_rates(activity: Floats, packets: Floats, *, rate: float) -> Floats:
    """Return updates a second of each row: `rate` packets in all, where the cap for one row lets them."""
    if not len(activity):
        return np.zeros(0)
    weight = EVEN_SHARE / packets.sum() + (1.0 - EVEN_SHARE) * activity / (activity * packets).sum()
    updates = rate * weight
    for _ in range(_MAX_ROUNDS):
        is_capped = updates >= MAX_UPDATES_PER_SECOND
        updates = np.minimum(updates, MAX_UPDATES_PER_SECOND)
        spare = rate - (updates * packets).sum()
        open_rate = (updates * packets)[~is_capped].sum()
        if spare <= 0 or open_rate <= 0:
            break
        updates = np.where(is_capped, updates, updates * (1.0 + spare / open_rate))
    capped: Floats = np.minimum(updates, MAX_UPDATES_PER_SECOND)
    return capped
