import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.dhan.disconnects import Reaction
from subscriptions.domain.backoff import delay_seconds


@pytest.mark.parametrize(
    ("attempt", "chance", "expected"),
    [(1, 0.0, 1.0), (1, 1.0, 2.0), (2, 1.0, 4.0), (3, 0.5, 4.5), (6, 1.0, 60.0), (1_000, 1.0, 60.0), (1_000, 0.0, 1.0)],
)
def test_attempts_spread_out_up_to_a_minute(attempt: int, chance: float, expected: float) -> None:
    assert delay_seconds(reaction=Reaction.COME_BACK, attempt=attempt, chance=chance) == expected


@pytest.mark.parametrize("reaction", [Reaction.WAIT, Reaction.LOG_IN_AGAIN])
@pytest.mark.parametrize(("attempt", "chance", "expected"), [(1, 0.0, 60.0), (1, 1.0, 120.0), (9, 1.0, 300.0)])
def test_quiet_lasts_a_minute_at_least(reaction: Reaction, attempt: int, chance: float, expected: float) -> None:
    assert delay_seconds(reaction=reaction, attempt=attempt, chance=chance) == expected


@given(attempt=st.integers(1, 10_000), chance=st.floats(0, 1))
def test_nothing_is_tried_after_a_stop(attempt: int, chance: float) -> None:
    assert delay_seconds(reaction=Reaction.STOP, attempt=attempt, chance=chance) is None
