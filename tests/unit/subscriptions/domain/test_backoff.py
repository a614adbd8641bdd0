import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions.domain.backoff import backoff_seconds, doubt_seconds, mute_seconds


@pytest.mark.parametrize(
    ("attempt", "chance", "expected"),
    [(1, 0.0, 1.0), (1, 1.0, 2.0), (2, 1.0, 4.0), (3, 0.5, 4.5), (6, 1.0, 60.0), (1_000, 1.0, 60.0), (1_000, 0.0, 1.0)],
)
def test_backoff_doubles_up_to_a_minute_with_jitter(attempt: int, chance: float, expected: float) -> None:
    assert backoff_seconds(attempt=attempt, chance=chance) == expected


@pytest.mark.parametrize(("attempt", "chance", "expected"), [(1, 0.0, 60.0), (1, 1.0, 120.0), (9, 1.0, 300.0)])
def test_a_doubtful_token_is_retried_after_a_minute_at_least(attempt: int, chance: float, expected: float) -> None:
    assert doubt_seconds(attempt=attempt, chance=chance) == expected


@pytest.mark.parametrize(
    ("attempt", "chance", "expected"),
    [(1, 0.0, 1.0), (1, 1.0, 2.0), (2, 0.0, 30.0), (2, 1.0, 60.0), (3, 1.0, 120.0), (9, 1.0, 300.0)],
)
def test_after_a_second_mute_socket_the_wait_is_at_least_30_seconds(
    attempt: int, chance: float, expected: float
) -> None:
    assert mute_seconds(attempt=attempt, chance=chance) == expected


@given(attempt=st.integers(1, 10_000), chance=st.floats(0, 1))
def test_every_backoff_is_between_a_second_and_five_minutes(attempt: int, chance: float) -> None:
    for wait in (backoff_seconds, doubt_seconds, mute_seconds):
        assert 1.0 <= wait(attempt=attempt, chance=chance) <= 300.0
