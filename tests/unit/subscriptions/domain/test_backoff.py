import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions.domain.backoff import backoff_seconds, doubt_seconds, mute_seconds


@pytest.mark.parametrize(
    ("attempt", "chance", "expected"),
    [(1, 0.0, 1.0), (1, 1.0, 2.0), (2, 1.0, 4.0), (3, 0.5, 4.5), (6, 1.0, 60.0), (1_000, 1.0, 60.0), (1_000, 0.0, 1.0)],
)
def test_attempts_spread_out_up_to_a_minute(attempt: int, chance: float, expected: float) -> None:
    assert backoff_seconds(attempt=attempt, chance=chance) == expected


@pytest.mark.parametrize(("attempt", "chance", "expected"), [(1, 0.0, 60.0), (1, 1.0, 120.0), (9, 1.0, 300.0)])
def test_a_doubtful_token_is_tried_a_minute_apart_at_least(attempt: int, chance: float, expected: float) -> None:
    assert doubt_seconds(attempt=attempt, chance=chance) == expected


@pytest.mark.parametrize(
    ("attempt", "chance", "expected"),
    [(1, 0.0, 1.0), (1, 1.0, 2.0), (2, 0.0, 30.0), (2, 1.0, 60.0), (3, 1.0, 120.0), (9, 1.0, 300.0)],
)
def test_a_second_silence_waits_until_the_old_place_is_free(attempt: int, chance: float, expected: float) -> None:
    assert mute_seconds(attempt=attempt, chance=chance) == expected


@given(attempt=st.integers(1, 10_000), chance=st.floats(0, 1))
def test_every_wait_is_between_a_second_and_five_minutes(attempt: int, chance: float) -> None:
    for wait in (backoff_seconds, doubt_seconds, mute_seconds):
        assert 1.0 <= wait(attempt=attempt, chance=chance) <= 300.0
