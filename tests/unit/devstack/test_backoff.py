"""The backoff of restarts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devstack.backoff import failures_after_exit, restart_delay


@pytest.mark.parametrize(
    ("failures", "shortest", "longest"),
    [(1, 0.2, 0.2), (2, 0.2, 0.4), (3, 0.4, 0.8), (6, 3.2, 6.4), (7, 5.0, 10.0), (1_000, 5.0, 10.0)],
)
def test_the_wait_doubles_up_to_ten_seconds(failures: int, shortest: float, longest: float) -> None:
    assert restart_delay(failures, random_fraction=0.0) == pytest.approx(shortest)
    assert restart_delay(failures, random_fraction=0.999_999) == pytest.approx(longest, rel=1e-5)


@given(failures=st.integers(1, 10_000), random_fraction=st.floats(0, 1, exclude_max=True))
def test_no_wait_is_shorter_than_the_first_or_longer_than_ten_seconds(failures: int, random_fraction: float) -> None:
    assert 0.2 <= restart_delay(failures, random_fraction=random_fraction) <= 10.0


def test_a_long_uptime_resets_the_count_of_failures() -> None:
    assert failures_after_exit(5, uptime_seconds=30.0) == 1
    assert failures_after_exit(5, uptime_seconds=29.9) == 6
    assert failures_after_exit(0, uptime_seconds=0.0) == 1
