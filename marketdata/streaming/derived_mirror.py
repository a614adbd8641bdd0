"""The web process's copy of the analytics of all options and series, as `mirror` is of quotes.

Pure state. A row is whole, never a difference; the changes for a browser are the watched rows with a version above the
one that it last saw. Frames of a former leader are dropped by their epoch. The leader publishes a FULL frame every few
seconds, so a row that a lost frame has left out is right again soon.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from marketdata.domain.analytics.derived_rows import OPTION_ROW, SERIES_ROW, DerivedFrame, Rows, differs
from marketdata.domain.analytics.premiums import IvReason
from marketdata.domain.quote_rows import FrameKind
from marketdata.streaming.mirror import Absorbed

_OPTION_KEY, _SERIES_KEY = "instrument_id", "series_id"
_CAPACITY: Final = 256  # Chosen: each growth doubles a table; a lean preload needs four.


class _Table:
    """Rows of one kind by id, each with the version of its last change."""

    def __init__(self, dtype: "np.dtype[Any]", key: str) -> None:
        self._key = key
        self._slot_of: dict[int, int] = {}
        self._rows = np.zeros(_CAPACITY, dtype=dtype)
        self._versions = np.zeros(_CAPACITY, dtype="<u8")

    def write(self, rows: Rows, version: int) -> None:
        """Take `rows`; those that are equal to the present ones keep their version."""
        ids = rows[self._key].tolist()
        for one in ids:
            self._slot_of.setdefault(one, len(self._slot_of))
        while len(self._slot_of) > len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
            self._versions = np.concatenate([self._versions, np.zeros_like(self._versions)])
        slots = np.array([self._slot_of[one] for one in ids], dtype=np.intp)
        is_news = differs(rows, self._rows.take(slots))
        self._rows.put(slots[is_news], rows.compress(is_news))
        self._versions[slots[is_news]] = version

    def list_others(self, rows: Rows) -> list[int]:
        """Return the ids that are known and not in `rows`."""
        return sorted(self._slot_of.keys() - set(rows[self._key].tolist()))

    def changed_since(self, ids: Sequence[int], version: int) -> Rows:
        """Return the rows of these ids that changed after `version`."""
        slots = np.array([self._slot_of[one] for one in ids if one in self._slot_of], dtype=np.intp)
        return self._rows.take(slots[self._versions.take(slots) > version])


class DerivedMirror:
    """Newest analytics of every option and series that was computed."""

    def __init__(self) -> None:
        self.version = 0
        self.is_known = False
        self._epoch = 0
        self._sequence = 0
        self._options = _Table(OPTION_ROW, _OPTION_KEY)
        self._series = _Table(SERIES_ROW, _SERIES_KEY)

    def absorb(self, frame: DerivedFrame) -> Absorbed:
        """Apply one frame and return the result: a gap is repaired by the next FULL frame."""
        if (frame.epoch, frame.sequence) <= (self._epoch, self._sequence):
            return Absorbed.OLD
        is_full = frame.kind is FrameKind.FULL
        follows = (frame.epoch, frame.sequence) == (self._epoch, self._sequence + 1)
        self._epoch, self._sequence = frame.epoch, frame.sequence
        self._write(frame.options, frame.series, replaces=is_full)
        return Absorbed.APPLIED if is_full or follows else Absorbed.GAP

    def absorb_cached(self, epoch: int, options: Rows, series: Rows) -> None:
        """Apply the caches of the leader of `epoch`, for a process that has no frame of it yet."""
        if epoch > self._epoch:
            self._write(options, series, replaces=True)

    def expire(self) -> None:
        """Make everything unknown: the worker has stopped."""
        self._write(np.zeros(0, dtype=OPTION_ROW), np.zeros(0, dtype=SERIES_ROW), replaces=True)
        self.is_known = False

    def changed_since(self, option_ids: Sequence[int], series_ids: Sequence[int], version: int) -> tuple[Rows, Rows]:
        """Return the rows of options and of series that changed after `version`; what was never computed has none."""
        return self._options.changed_since(option_ids, version), self._series.changed_since(series_ids, version)

    def _write(self, options: Rows, series: Rows, *, replaces: bool) -> None:
        self.version += 1
        self.is_known = True
        if replaces:
            self._options.write(unknown_options(self._options.list_others(options)), self.version)
            self._series.write(unknown_series(self._series.list_others(series)), self.version)
        self._options.write(options, self.version)
        self._series.write(series, self.version)


def unknown_options(ids: Sequence[int]) -> Rows:
    """Return rows of options of which nothing is known."""
    rows = _unknown(OPTION_ROW, _OPTION_KEY, ids)
    rows["reason"] = IvReason.NOT_COMPUTED
    return rows


def unknown_series(ids: Sequence[int]) -> Rows:
    """Return rows of series of which nothing is known."""
    return _unknown(SERIES_ROW, _SERIES_KEY, ids)


def _unknown(dtype: "np.dtype[Any]", key: str, ids: Sequence[int]) -> Rows:
    rows = np.zeros(len(ids), dtype=dtype)
    for name in dtype.names or ():
        if dtype[name].kind == "f":
            rows[name] = np.nan
    rows[key] = ids
    return rows
