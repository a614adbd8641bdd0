"""The share of invalid packets at which a socket is replaced."""

from hypothesis import given
from hypothesis import strategies as st

from subscriptions.domain.bad_data import (
    FEWEST_BAD,
    FEWEST_PACKETS,
    LARGEST_SHARE,
    PAUSE_SECONDS,
    PERIOD_SECONDS,
    BadDataMonitor,
)


def begun(now: float = 0.0) -> BadDataMonitor:
    watch = BadDataMonitor()
    watch.begin_socket(now=now)
    return watch


def test_a_share_above_one_percent_within_ten_seconds_exceeds_the_limit() -> None:
    watch = begun()

    assert watch.check(packets=1_000, bad=10, now=5.0) is None
    assert watch.check(packets=2_000, bad=21, now=9.0) == 21 / 2_000


def test_fewer_bad_packets_than_the_minimum_never_exceed_the_limit() -> None:
    assert begun().check(packets=20, bad=FEWEST_BAD - 1, now=1.0) is None
    assert begun().check(packets=20, bad=FEWEST_BAD, now=1.0) == 0.5


def test_messages_without_a_valid_packet_are_counted() -> None:
    assert begun().check(packets=0, bad=FEWEST_BAD, now=1.0) == 1.0


def test_bad_packets_before_the_period_are_not_counted() -> None:
    watch = begun()
    watch.check(packets=5_000, bad=50, now=1.0)

    assert watch.check(packets=6_000, bad=60, now=1.0 + PERIOD_SECONDS + 0.5) is None
    assert watch.check(packets=6_100, bad=72, now=1.0 + PERIOD_SECONDS + 1.0) == 12 / 100


def test_the_next_socket_is_not_replaced_before_the_pause_ends() -> None:
    watch = begun()
    assert watch.check(packets=100, bad=50, now=1.0) is not None
    watch.note_replaced(now=1.0)

    watch.begin_socket(now=3.0)

    assert watch.check(packets=100, bad=50, now=5.0) is None
    assert watch.check(packets=150, bad=75, now=PAUSE_SECONDS - 4.0) is None
    assert watch.check(packets=200, bad=100, now=PAUSE_SECONDS + 1.0) is not None


def test_a_socket_stays_due_until_its_replacement_is_noted() -> None:
    watch = begun()

    assert watch.check(packets=100, bad=50, now=1.0) == 0.5
    assert watch.check(packets=100, bad=50, now=2.0) == 0.5


def test_a_socket_is_proven_good_by_many_packets_over_the_whole_period() -> None:
    watch = begun()

    assert not watch.is_good(packets=FEWEST_PACKETS, bad=0, now=PERIOD_SECONDS - 0.1)
    assert not watch.is_good(packets=FEWEST_PACKETS - 1, bad=0, now=PERIOD_SECONDS)
    assert watch.is_good(packets=FEWEST_PACKETS, bad=0, now=PERIOD_SECONDS)


def test_a_socket_that_is_nearly_as_bad_is_not_proven_good() -> None:
    watch = begun()

    assert not watch.is_good(packets=10_000, bad=90, now=PERIOD_SECONDS)
    assert watch.is_good(packets=10_000, bad=50, now=PERIOD_SECONDS)


@given(st.lists(st.tuples(st.floats(0.1, 3.0), st.integers(0, 5_000), st.floats(0, LARGEST_SHARE)), max_size=60))
def test_a_socket_below_the_limit_is_never_replaced(steps: list[tuple[float, int, float]]) -> None:
    watch, now, packets, bad = begun(), 0.0, 0, 0
    for seconds, came, share in steps:
        now, packets, bad = now + seconds, packets + came, bad + int(came * share)
        assert watch.check(packets=packets, bad=bad, now=now) is None
