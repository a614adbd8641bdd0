import numpy as np
import pytest

from marketdata.dhan.traffic import HALVED_AFTER_MS, Traffic

NOW_MS = 1_795_000_000_000


def counting(*packets: int) -> Traffic:
    """Return the traffic of rows with so many packets each."""
    traffic = Traffic()
    traffic.rebuild(len(packets), to=np.arange(0), source=np.arange(0))
    traffic.count(np.repeat(np.arange(len(packets)), packets), received_at_ms=NOW_MS)
    return traffic


def keep(traffic: Traffic, *slots: int) -> None:
    traffic.rebuild(len(slots), to=np.arange(len(slots)), source=np.array(slots, dtype=np.int64))


def test_removed_rows_leave_the_share_of_the_others() -> None:
    traffic = counting(60, 30, 10)

    keep(traffic, 0, 2)

    assert traffic.take_kept_share() == pytest.approx(0.7)


def test_removals_between_two_calls_are_multiplied() -> None:
    traffic = counting(60, 30, 10)
    keep(traffic, 0, 1)
    keep(traffic, 0)

    assert traffic.take_kept_share() == pytest.approx(0.6)
    assert traffic.take_kept_share() == 1.0


def test_rows_without_packets_and_new_rows_change_nothing() -> None:
    traffic = counting(60, 0)

    traffic.rebuild(3, to=np.array([2]), source=np.array([0]))

    assert traffic.take_kept_share() == 1.0


def test_an_instrument_that_was_busy_long_ago_has_a_small_share() -> None:
    traffic = counting(1_024, 0)
    for minute in range(1, 11):
        traffic.count(np.array([1]), received_at_ms=NOW_MS + minute * HALVED_AFTER_MS)

    keep(traffic, 0)

    assert traffic.take_kept_share() == pytest.approx(0.33, abs=0.01)
