"""Snapshot requests that fail are split until one instrument remains; what an answer lacks is requested again later."""

from collections.abc import Collection, Mapping
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from subscriptions.domain.snapshot_batches import MOST_ANSWERS, MOST_FAILURES_ALONE, SnapshotBatches

DAY_SECONDS = 86_400


def request_all(
    batches: SnapshotBatches,
    silent: Collection[int],
    *,
    spoilers: Collection[int] = (),
    lacking: Collection[int] = (),
    until: int = DAY_SECONDS,
    every: int = 5,
) -> Mapping[int, tuple[int, ...]]:
    """Request `every` few seconds; a request with one of `spoilers` fails, and answers lack `lacking`.

    Return the requests by second. An answered instrument that the answer does not lack leaves the silent set.
    """
    requests: dict[int, tuple[int, ...]] = {}
    left = list(silent)
    for now in range(0, until, every):
        batches.retain(set(left))
        batch = tuple(batches.choose(left, now=now))
        if not batch:
            continue
        requests[now] = batch
        if set(batch) & set(spoilers):
            batches.note_failed(batch, now=now)
        else:
            batches.note_answered(batch, now=now)
            left = [one for one in left if one not in batch or one in lacking]
    return requests


def answered(requests: Mapping[int, tuple[int, ...]], *, spoilers: Collection[int]) -> set[int]:
    return {one for batch in requests.values() if not set(batch) & set(spoilers) for one in batch}


def test_each_instrument_is_requested_once_in_the_given_order() -> None:
    batches = SnapshotBatches(most=2)

    assert request_all(batches, [3, 1, 2]) == {0: (3, 1), 5: (2,)}


def test_one_spoiler_of_a_full_batch_delays_the_others_by_less_than_a_minute() -> None:
    silent = range(1_000)

    requests = request_all(SnapshotBatches(most=1_000), silent, spoilers=[777], until=60, every=1)

    assert answered(requests, spoilers=[777]) == set(silent) - {777}


@given(count=st.integers(1, 40), spoilers=st.sets(st.integers(0, 39), max_size=4), most=st.integers(1, 50))
def test_every_other_instrument_is_answered_and_spoilers_are_given_up(
    count: int, spoilers: set[int], most: int
) -> None:
    silent = range(count)

    requests = request_all(SnapshotBatches(most=most), silent, spoilers=spoilers, until=8_000)

    assert answered(requests, spoilers=spoilers) == set(silent) - spoilers
    alone = [batch for batch in requests.values() if len(batch) == 1 and batch[0] in spoilers]
    assert len(alone) == MOST_FAILURES_ALONE * len(spoilers & set(silent))


@given(count=st.integers(2, 40), spoilers=st.sets(st.integers(0, 39), min_size=1, max_size=40))
def test_no_failed_request_of_several_instruments_follows_itself(count: int, spoilers: set[int]) -> None:
    requests = request_all(SnapshotBatches(most=40), range(count), spoilers=spoilers, until=8_000)

    pairs = pairwise(requests.values())
    assert [before for before, after in pairs if before == after and len(before) > 1] == []


def test_an_instrument_that_fails_alone_waits_twice_as_long_each_time() -> None:
    requests = request_all(SnapshotBatches(most=1_000), [7], spoilers=[7])

    times = list(requests)
    assert times[:4] == [0, 15, 45, 105]
    assert len(times) == MOST_FAILURES_ALONE
    assert times[-1] < 3_600


def test_what_an_answer_lacks_is_requested_again_later_each_time() -> None:
    requests = request_all(SnapshotBatches(most=1_000), range(1_000), lacking=[13, 25])

    assert list(requests)[:4] == [0, 15, 45, 105]
    assert set(list(requests.values())[1:]) == {(13, 25)}
    gaps = [after - before for before, after in pairwise(requests)]
    assert max(gaps) == 600
    assert len(requests) == MOST_ANSWERS


def test_what_is_requested_again_does_not_hold_back_what_was_never_requested() -> None:
    batches = SnapshotBatches(most=3)
    batches.note_answered([1, 2, 3], now=0)

    assert batches.choose([1, 2, 3, 4, 5], now=15) == [4, 5, 1]


@given(lacking=st.sets(st.integers(0, 39)), spoilers=st.sets(st.integers(0, 39), max_size=4), most=st.integers(1, 50))
def test_no_request_is_repeated_unchanged_within_the_first_wait(
    lacking: set[int], spoilers: set[int], most: int
) -> None:
    requests = request_all(SnapshotBatches(most=most), range(40), lacking=lacking, spoilers=spoilers, until=8_000)

    last: dict[tuple[int, ...], int] = {}
    for now, batch in requests.items():
        assert now - last.get(batch, -DAY_SECONDS) >= 15
        last[batch] = now


def test_an_instrument_that_left_the_silent_set_is_forgotten() -> None:
    batches = SnapshotBatches(most=10)
    for now in range(0, 10_000, 1_000):
        batches.note_failed([2], now=now)
        batches.note_answered([1], now=now)
    assert batches.choose([1, 2], now=10_000) == [1]

    batches.retain([])
    assert batches.choose([1, 2], now=10_001) == [1, 2]

    batches.note_answered([1], now=10_001)
    assert batches.choose([1], now=10_016) == [1]
