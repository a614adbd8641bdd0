"""Values of the last quarter of an hour, one sample a minute: the base of a change since then.

Pure: time is an argument, in seconds that never go back. A base states its age, because a worker that started three
minutes ago, or an option that streams since then, has none of fifteen minutes ago.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from marketdata.domain.analytics.black76 import Floats

SAMPLE_SECONDS: Final = 60.0
"""Chosen: the base is as exact as a minute, in sixteen samples. No change counts from less than this."""
BASE_SECONDS: Final = 900.0
"""Chosen: the interval of build-up screens of Indian terminals, fifteen minutes."""
SAMPLES: Final = int(BASE_SECONDS / SAMPLE_SECONDS) + 1
LONGEST_SECONDS: Final = BASE_SECONDS + SAMPLE_SECONDS
"""The age of the oldest of sixteen samples just before it is replaced. An older one, of a worker that was frozen, is
not used."""

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Base:
    """The base of each id: its value, and its age in seconds; both NaN where there is none."""

    values: Floats
    ages: Floats


class SampleRing:
    """The newest SAMPLES samples of the values of a set of ids, as float32."""

    def __init__(self) -> None:
        self._ids: Ids = np.zeros(0, dtype=np.int64)
        self._samples: npt.NDArray[np.float32] = np.full((SAMPLES, 0), np.nan, dtype=np.float32)
        # NaN: no sample was taken yet.
        self._taken_at: Floats = np.full(SAMPLES, np.nan)
        self._next = 0

    def is_due(self, now: float) -> bool:
        """Return whether the last sample is a minute old, or none was taken."""
        last = self._taken_at[self._next - 1]
        return bool(np.isnan(last)) or now - float(last) >= SAMPLE_SECONDS

    def keep(self, ids: Ids) -> None:
        """Replace the set of ids; those that it had before keep their samples. Ids are unique."""
        if np.array_equal(ids, self._ids):
            return
        _, places, former_places = np.intersect1d(ids, self._ids, assume_unique=True, return_indices=True)
        samples = np.full((SAMPLES, len(ids)), np.nan, dtype=np.float32)
        samples[:, places] = self._samples[:, former_places]
        self._ids, self._samples = ids, samples

    def add(self, values: Floats, now: float) -> None:
        """Take a sample, one value for each id; NaN is unknown. It replaces the oldest one."""
        self._samples[self._next], self._taken_at[self._next] = values, now
        self._next = (self._next + 1) % SAMPLES

    def base(self, now: float) -> Base:
        """Return the oldest known value of each id that is neither too new nor too old."""
        oldest_first = np.roll(np.arange(SAMPLES), -self._next)
        ages = now - self._taken_at[oldest_first]
        is_usable = (ages >= SAMPLE_SECONDS) & (ages <= LONGEST_SECONDS)
        rows: Sequence[int] = oldest_first[is_usable].tolist()
        if not rows or not len(self._ids):
            unknown = np.full(len(self._ids), np.nan)
            return Base(unknown, unknown)
        samples = self._samples[rows]
        first = np.argmax(~np.isnan(samples), axis=0)
        values = samples[first, np.arange(len(self._ids))].astype(np.float64)
        return Base(values, np.where(np.isnan(values), np.nan, ages[is_usable][first]))
