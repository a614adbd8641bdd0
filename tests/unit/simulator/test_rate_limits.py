"""Rate limits of REST."""

from simulator.rate_limits import KeyedRateLimit, RateLimit


def test_a_limit_allows_a_count_in_each_sliding_interval() -> None:
    limit = RateLimit(2, 1.0)

    assert [limit.take(now) for now in (10.0, 10.4, 10.9, 11.0, 11.1, 11.4)] == [True, True, False, True, False, True]


def test_each_key_has_a_separate_limit() -> None:
    once = KeyedRateLimit(3.0)

    assert [once.take("a", 1.0), once.take("b", 1.1), once.take("a", 3.9), once.take("a", 4.0)] == [
        True,
        True,
        False,
        True,
    ]
