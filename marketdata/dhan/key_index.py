"""The slot of each packet's instrument, for all packets of a flush at once: a hash table of numpy arrays.

A binary search of random keys mispredicts most of its branches: it costs 70 ns a packet, the hash table 10 ns
(benchmarks/bench_quote_table.py). Two keys rarely share a bucket, because of the multiplier and the size of the table.
Then the bucket has one of them, and the other is found by binary search, as are keys that are not in the table at all.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

_Integers = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]

# Fibonacci hashing: 2**64 divided by the golden ratio, odd. It spreads ids that follow one another evenly.
_MULTIPLIER: Final = np.uint64(0x9E37_79B9_7F4A_7C15)
# Chosen: of 5,000 neighboring ids none share a bucket; with 2 bytes each, 256 kB for a connection.
_BUCKETS_PER_KEY: Final = 16


class KeyIndex:
    """The slots of sorted keys."""

    __slots__ = ("_buckets", "_keys", "_shift")

    def __init__(self, keys: _Words) -> None:
        self._keys = keys
        bits = max(1, (len(keys) * _BUCKETS_PER_KEY).bit_length())
        self._shift = np.uint64(64 - bits)
        self._buckets = np.zeros(1 << bits, dtype=np.min_scalar_type(len(keys)))
        self._buckets[self._hash(keys)] = np.arange(len(keys))

    def find(self, sought: _Words) -> tuple[_Integers, npt.NDArray[np.bool_]]:
        """Return the slot of each of `sought`, and whether it is there at all."""
        if not len(self._keys):
            return np.zeros(len(sought), dtype=np.int64), np.zeros(len(sought), dtype=np.bool_)
        slots = self._buckets[self._hash(sought)].astype(np.int64)
        found = self._keys[slots] == sought
        if not found.all():
            others = np.flatnonzero(~found)
            # A key above all others gets the last slot, where the comparison fails.
            places = np.minimum(np.searchsorted(self._keys, sought[others]), len(self._keys) - 1)
            slots[others], found[others] = places, self._keys[places] == sought[others]
        return slots, found

    def _hash(self, keys: _Words) -> _Integers:
        # The product wraps at 2**64; its upper bits depend on all bits of the key.
        products = keys * _MULTIPLIER
        products >>= self._shift
        return products.view(np.int64)
