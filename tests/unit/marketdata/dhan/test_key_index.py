"""The slots of packets' instruments: the hash table finds what a dictionary finds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from marketdata.dhan.key_index import KeyIndex

KEYS = st.integers(0, 2**40 - 1)
"""A security id of 32 bits above a segment of 8."""


def words(keys: list[int]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(keys, dtype=np.uint64)


@given(keys=st.sets(KEYS, max_size=60), others=st.lists(KEYS, max_size=30))
def test_present_keys_have_their_slots_and_others_none(keys: set[int], others: list[int]) -> None:
    present = sorted(keys)
    sought = [*others, *present, *others]

    slots, found = KeyIndex(words(present)).find(words(sought))

    expected = [present.index(key) if key in keys else None for key in sought]
    assert [
        slot if is_there else None for slot, is_there in zip(slots.tolist(), found.tolist(), strict=True)
    ] == expected


def test_keys_that_share_a_bucket_are_all_found() -> None:
    keys = np.unique(np.random.default_rng(7).integers(0, 2**40, 5_000).astype(np.uint64))

    slots, found = KeyIndex(keys).find(keys)

    assert found.all()
    assert np.array_equal(slots, np.arange(len(keys)))
