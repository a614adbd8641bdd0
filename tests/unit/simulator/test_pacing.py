"""Pacing: the total rate is constant, active rows send more, no row starves, no row exceeds the cap."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.pacing import MAX_UPDATES_PER_SECOND, Pacer, update_rates

TURN_SECONDS = 0.05


def zipf(count: int) -> npt.NDArray[np.float64]:
    return 1.0 / np.arange(1.0, count + 1.0)


def sent(count: int, *, rate: float, seconds: float) -> npt.NDArray[np.bool_]:
    """Return turns x rows: whether each row sends at each turn."""
    pacer = Pacer(zipf(count), rate=rate, random=np.random.default_rng(7))
    pacer.set_demand(np.arange(count), np.ones(count))
    turns = np.zeros((round(seconds / TURN_SECONDS), count), dtype=bool)
    for turn in range(len(turns)):
        turns[turn, pacer.due(1_000.0 + turn * TURN_SECONDS)] = True
    return turns


def test_the_total_rate_is_constant() -> None:
    turns = sent(2_300, rate=2_000, seconds=20)

    assert turns.sum() / 20 == pytest.approx(2_000, rel=0.03)


def test_no_row_starves() -> None:
    turns = sent(2_300, rate=2_000, seconds=20)

    waited = 0
    for row in turns.T:
        at = np.flatnonzero(row)
        waited = max(waited, int(np.diff(np.concatenate(([0], at, [len(row)]))).max()))
    assert waited * TURN_SECONDS <= 5.0


def test_active_rows_send_more_often_than_the_others() -> None:
    updates = sent(2_300, rate=2_000, seconds=20).sum(axis=0) / 20

    assert updates[:5].min() > 3.0
    assert 0.3 < updates[-500:].mean() < 0.7


def test_no_row_sends_more_than_four_times_a_second() -> None:
    turns = sent(10, rate=2_000, seconds=10)

    assert all(np.diff(np.flatnonzero(row)).min() * TURN_SECONDS >= 0.25 for row in turns.T)
    assert 2.5 < turns.sum() / 100 <= 4.0


def test_the_highest_rate_is_four_packets_a_second_for_every_row() -> None:
    turns = sent(2_000, rate=8_000, seconds=20)

    assert turns.sum() / 20 == pytest.approx(8_000, rel=0.02)
    assert turns[100:].sum(axis=1).max() < 2 * 8_000 * TURN_SECONDS


def test_only_subscribed_rows_send() -> None:
    pacer = Pacer(zipf(10), rate=100, random=np.random.default_rng(7))
    assert not len(pacer.due(1.0))

    pacer.set_demand(np.array([2, 5]), np.ones(2))

    due = {int(row) for turn in range(1, 40) for row in pacer.due(1.0 + turn * TURN_SECONDS)}
    assert due == {2, 5}


@given(
    activity=st.lists(st.floats(1e-3, 50), min_size=1, max_size=60),
    packets=st.integers(1, 5),
    rate=st.floats(1, 20_000),
)
def test_rates_sum_to_the_chosen_one_or_all_rows_are_at_the_cap(
    activity: list[float], packets: int, rate: float
) -> None:
    costs = np.full(len(activity), float(packets))

    updates = update_rates(np.array(activity), costs, rate=rate)

    assert updates.max() <= MAX_UPDATES_PER_SECOND
    total = float((updates * costs).sum())
    most = MAX_UPDATES_PER_SECOND * packets * len(activity)
    assert total <= rate * (1 + 1e-9)
    assert total >= 0.9 * min(rate, most)
