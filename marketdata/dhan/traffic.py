"""How many packets the rows of a table had lately, and which share of them its remaining rows had.

The packets that are due on a connection fall when instruments are unsubscribed: not with their number, but with the
packets that they had. A removed index future can be most of a connection, and a hundred removed options nothing of it.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

HALVED_AFTER_MS: Final = 60_000
"""Chosen: the period of the due rate (subscriptions/domain/watchdog.py), so that an instrument that was busy in the
morning does not stand for the packets of now."""

_Integers = npt.NDArray[np.int64]


class Traffic:
    """Counts by slot of the table; older packets count half, a quarter, and so on."""

    def __init__(self) -> None:
        self._counts = np.zeros(0, dtype=np.float64)
        self._halved_at_ms = 0
        self._kept_share = 1.0

    def count(self, slots: _Integers, *, received_at_ms: int) -> None:
        """Count one packet for each of `slots`, which may repeat."""
        if received_at_ms - self._halved_at_ms >= HALVED_AFTER_MS:
            self._counts /= 2
            self._halved_at_ms = received_at_ms
        self._counts += np.bincount(slots, minlength=len(self._counts))

    def rebuild(self, length: int, *, to: _Integers, source: _Integers) -> None:
        """Lay the counts out anew: those of the slots `source` move to `to`, the others are removed."""
        counts = np.zeros(length, dtype=np.float64)
        counts[to] = self._counts[source]
        if (total := self._counts.sum()) > 0.0:
            self._kept_share *= counts.sum() / total
        self._counts = counts

    def take_kept_share(self) -> float:
        """Return which share of the packets until then the rows that stayed since the last call had, 0 to 1."""
        share, self._kept_share = self._kept_share, 1.0
        return float(share)
