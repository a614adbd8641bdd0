"""The choice of prices to request after requests in vain, and the wait after each."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.price_requests import choose_batch, wait_after


def request_all(count: int, *, spoilers: Collection[int], passes: int) -> tuple[set[int], Sequence[Sequence[int]]]:
    """Request `count` prices in passes without waits; return the answered ones and the requests."""
    failures: Counter[int] = Counter()
    answered: set[int] = set()
    requests = []
    for _ in range(passes):
        batch = choose_batch([one for one in range(count) if one not in answered], failures)
        requests.append(batch)
        if set(batch) & set(spoilers):
            failures.update(batch)
        else:
            answered.update(batch)
    return answered, requests


def test_prices_without_a_failure_are_requested_together() -> None:
    assert choose_batch([5, 3, 4], {4: 2}) == [5, 3]
    assert choose_batch([], {}) == []


def test_prices_that_failed_equally_often_are_requested_in_halves() -> None:
    assert choose_batch([1, 2, 3, 4, 5], dict.fromkeys(range(6), 1)) == [1, 2, 3]
    assert choose_batch([1], {1: 9}) == [1]


@given(count=st.integers(1, 40), spoiler=st.integers(0, 39))
def test_one_spoiler_does_not_hold_back_the_others(count: int, spoiler: int) -> None:
    answered, requests = request_all(count, spoilers=[spoiler], passes=60)

    assert answered >= set(range(count)) - {spoiler}
    assert all(before != after for before, after in pairwise(requests) if len(before) > 1)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 10), (2, 20), (5, 160), (7, 600), (1_000, 600)])
def test_the_wait_doubles_up_to_ten_minutes(failures: int, seconds: int) -> None:
    assert wait_after(failures) == timedelta(seconds=seconds)
