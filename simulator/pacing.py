"""Selects the instruments that send a packet now, so that the total rate is constant and none starves.

Each instrument is a token bucket: it earns credit at its rate, and an update costs one credit. Half of the total rate
is shared evenly by all subscribed instruments, half by activity. No instrument updates more often than the
conflation of the broker allows; the rate above this cap is shared by the others.
"""

import numpy as np
import numpy.typing as npt

from simulator.packet_arrays import Rows
from simulator.pricing import Floats

MAX_UPDATES_PER_SECOND = 4.0  # measured at the broker in June 2026
EVEN_SHARE = 0.5  # chosen: illiquid instruments still update every few seconds at 2,000 packets/s
MAX_ELAPSED_SECONDS = 0.5  # chosen: after a pause the credit of half a second is sent, not a burst
_MAX_ROUNDS = 6  # chosen: each round shares what the last one cut off; more change little


class Pacer:
    """The credit of every row of a listing; only subscribed rows earn credit."""

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
        """Share the rate by `rows` from now on; an update of a row costs `packets`."""
        self._rows = rows
        self._updates_per_second = update_rates(self._activity[rows], packets, rate=self.rate)

    def due(self, now: float) -> Rows:
        """Return the distinct rows that update at `now`, and charge their credit."""
        elapsed = 0.0 if self._turn_at is None else min(max(now - self._turn_at, 0.0), MAX_ELAPSED_SECONDS)
        self._turn_at = now
        if not len(self._rows):
            return self._rows
        # Without jitter, instruments of equal rate would update in the same turn.
        jitter = 0.5 + self._random.random(len(self._rows))
        credit = self._credit[self._rows] + self._updates_per_second * elapsed * jitter
        # 1e-6: a turn may come a rounding error before its quarter of a second.
        is_due = (credit >= 1.0) & (now - self._sent_at[self._rows] >= 1.0 / MAX_UPDATES_PER_SECOND - 1e-6)
        # At most two credits are saved, so a row that was capped does not burst later.
        self._credit[self._rows] = np.where(is_due, np.minimum(credit - 1.0, 1.0), np.minimum(credit, 2.0))
        rows = self._rows[is_due]
        self._sent_at[rows] = now
        return rows


def update_rates(activity: Floats, packets: Floats, *, rate: float) -> Floats:
    """Return the updates a second of each row: `rate` packets in total, as far as the cap of a row allows."""
    if not len(activity):
        return np.zeros(0)
    weight = EVEN_SHARE / packets.sum() + (1.0 - EVEN_SHARE) * activity / (activity * packets).sum()
    updates = rate * weight
    # The rate above the cap is shared by the rows below it, which may lift some of these over the cap: repeat.
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
