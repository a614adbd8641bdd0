"""The circuit breaker of Redis: one timeout, then refusals, then one call that tries."""

import pytest

from marketdata.redis_client import OPEN_SECONDS, RedisBreaker, RedisRefused

TIMEOUT_SECONDS = 1.0


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def is_admitted(breaker: RedisBreaker) -> bool:
    try:
        breaker.admit()
    except RedisRefused:
        return False
    return True


def test_without_a_timeout_every_call_is_admitted() -> None:
    breaker = RedisBreaker(timeout=TIMEOUT_SECONDS, clock=Clock())

    assert [is_admitted(breaker) for _ in range(3)] == [True, True, True]


def test_after_a_timeout_one_call_at_a_time_tries() -> None:
    clock = Clock()
    breaker = RedisBreaker(timeout=TIMEOUT_SECONDS, clock=clock)
    breaker.note_timeout()

    at_once = is_admitted(breaker)
    clock.now += OPEN_SECONDS
    later = [is_admitted(breaker) for _ in range(3)]
    clock.now += TIMEOUT_SECONDS + OPEN_SECONDS
    lost = is_admitted(breaker)  # the call that tried never came back

    assert (at_once, later, lost) == (False, [True, False, False], True)


def test_an_answer_admits_every_call_again(caplog: pytest.LogCaptureFixture) -> None:
    breaker = RedisBreaker(timeout=TIMEOUT_SECONDS, clock=Clock())
    breaker.note_timeout()
    breaker.note_timeout()

    breaker.note_answer()
    breaker.note_answer()

    assert is_admitted(breaker)
    assert [one.levelname for one in caplog.records] == ["WARNING", "WARNING"]  # one for each change
