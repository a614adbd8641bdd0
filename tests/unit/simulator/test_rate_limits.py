"""How often REST may be asked."""

from simulator.rate_limits import KeyedRateLimit, RateLimit


def test_a_window_lets_so_many_through_and_the_next_when_the_first_is_old() -> None:
    limit = RateLimit(2, 1.0)

    assert [limit.take(now) for now in (10.0, 10.4, 10.9, 11.0, 11.1, 11.4)] == [True, True, False, True, False, True]


def test_a_key_is_let_through_once_in_a_while_whatever_the_others_do() -> None:
    once = KeyedRateLimit(3.0)

    assert [once.take("a", 1.0), once.take("b", 1.1), once.take("a", 3.9), once.take("a", 4.0)] == [
        True,
        True,
        False,
        True,
    ]
