"""Snapshot requests that fail: split until one instrument remains, never repeated unchanged without end."""

from collections.abc import Collection, Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from subscriptions.domain.snapshot_batches import MOST_ATTEMPTS, SnapshotBatches

DAY_SECONDS = 86_400


def request_all(
    batches: SnapshotBatches, silent: Collection[int], *, spoilers: Collection[int], until: int = DAY_SECONDS
) -> Sequence[tuple[int, ...]]:
    """Request once a second; a request with one of `spoilers` fails. Return the requests."""
    requests: list[tuple[int, ...]] = []
    for now in range(until):
        batch = tuple(batches.choose(silent, now=now))
        if not batch:
            continue
        requests.append(batch)
        if set(batch) & set(spoilers):
            batches.note_failed(batch, now=now)
        else:
            batches.note_answered(batch)
    return requests


def answered(requests: Sequence[tuple[int, ...]], *, spoilers: Collection[int]) -> set[int]:
    return {one for batch in requests if not set(batch) & set(spoilers) for one in batch}


def test_each_instrument_is_requested_once_in_the_given_order() -> None:
    batches = SnapshotBatches(most=2)

    assert request_all(batches, [3, 1, 2], spoilers=[], until=5) == [(3, 1), (2,)]


def test_one_spoiler_of_a_full_batch_delays_the_others_by_less_than_a_minute() -> None:
    silent = range(1_000)

    requests = request_all(SnapshotBatches(most=1_000), silent, spoilers=[777], until=60)

    assert answered(requests, spoilers=[777]) == set(silent) - {777}


@given(count=st.integers(1, 40), spoilers=st.sets(st.integers(0, 39), max_size=4), most=st.integers(1, 50))
def test_every_other_instrument_is_answered_and_spoilers_are_given_up(
    count: int, spoilers: set[int], most: int
) -> None:
    silent = range(count)

    requests = request_all(SnapshotBatches(most=most), silent, spoilers=spoilers, until=8_000)

    assert answered(requests, spoilers=spoilers) == set(silent) - spoilers
    alone = [batch for batch in requests if len(batch) == 1 and batch[0] in spoilers]
    assert len(alone) == MOST_ATTEMPTS * len(spoilers & set(silent))


@given(count=st.integers(2, 40), spoilers=st.sets(st.integers(0, 39), min_size=1, max_size=40))
def test_no_failed_request_of_several_instruments_follows_itself(count: int, spoilers: set[int]) -> None:
    requests = request_all(SnapshotBatches(most=40), range(count), spoilers=spoilers, until=8_000)

    pairs = pairwise(requests)
    assert [before for before, after in pairs if before == after and len(before) > 1] == []


def test_an_instrument_that_fails_alone_waits_twice_as_long_each_time() -> None:
    batches = SnapshotBatches(most=1_000)
    times = []
    for now in range(DAY_SECONDS):
        if batches.choose([7], now=now):
            times.append(now)
            batches.note_failed([7], now=now)

    assert times[:4] == [0, 30, 90, 210]
    assert len(times) == MOST_ATTEMPTS
    assert times[-1] < 3_600


def test_an_instrument_that_was_not_silent_for_a_while_is_requested_again() -> None:
    batches = SnapshotBatches(most=10)
    batches.note_failed([2], now=0)
    batches.note_answered([1])

    batches.retain([])

    assert batches.choose([1, 2], now=1) == [1, 2]
