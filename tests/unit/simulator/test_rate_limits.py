"""Rate limits of REST."""

from simulator.rate_limits import RateLimit


def test_a_limit_allows_a_count_in_each_sliding_interval() -> None:
    limit = RateLimit(2, 1.0)

    assert [limit.take(now) for now in (10.0, 10.4, 10.9, 11.0, 11.1, 11.4)] == [True, True, False, True, False, True]


def test_each_key_has_a_separate_limit() -> None:
    once = RateLimit(1, 3.0)

    taken = [once.take(1.0, "a"), once.take(1.1, "b"), once.take(3.9, "a"), once.take(4.0, "a")]

    assert taken == [True, True, False, True]
