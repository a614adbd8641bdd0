from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.instruments import ExchangeSegment
from subscriptions.domain.watchdog import Limits, Reading, Watchdog

BEAT = 0.25
OPTIONS = frozenset({ExchangeSegment.NSE_FNO})
WITH_SPOTS = OPTIONS | {ExchangeSegment.IDX_I}
CLOSED: frozenset[ExchangeSegment] = frozenset()


class Socket:
    """A socket under watch, on a clock of its own; packets come at a rate, the first of each instrument first."""

    def __init__(self, *, sent: int = 1_000, expected: frozenset[ExchangeSegment] = OPTIONS) -> None:
        self.now = 0.0
        self.sent, self.expected = sent, expected
        self.packets = self.streaming = 0.0
        self.watchdog = Watchdog(Limits())

    def reopen(self) -> None:
        """Open a new socket with the same instruments."""
        self.watchdog.begin_socket(now=self.now, streamed_before=int(self.streaming))
        self.packets = self.streaming = 0.0

    def burst(self) -> None:
        """Send one packet of each instrument."""
        self.packets += self.sent
        self.streaming = self.sent

    def run(self, seconds: float, *, rate: float = 0.0) -> float | None:
        """Let time pass; return after how many seconds the socket was found mute, if it was."""
        began_at = self.now
        while self.now - began_at < seconds:
            self.now += BEAT
            self.packets += rate * BEAT
            self.streaming = min(float(self.sent), max(self.streaming, self.packets))
            seen = Reading(int(self.packets), int(self.streaming), self.sent, self.expected)
            if self.watchdog.check(seen, now=self.now) is not None:
                return self.now - began_at
        return None


def streaming_socket(*, rate: float = 100.0, seconds: float = 70.0, sent: int = 1_000) -> Socket:
    socket = Socket(sent=sent)
    socket.burst()
    assert socket.run(seconds, rate=rate) is None
    return socket


def test_a_busy_socket_is_mute_after_ten_seconds() -> None:
    assert streaming_socket(rate=100).run(600) == 10.0


def test_a_socket_with_twenty_packets_due_in_ten_seconds_is_a_busy_one() -> None:
    assert streaming_socket(rate=4).run(600) == 10.0


def test_a_sparse_socket_is_mute_after_ninety_seconds() -> None:
    took = streaming_socket(rate=0.5).run(600)

    assert took is not None
    assert 85 < took <= 90


def test_first_packets_prove_no_rate() -> None:
    socket = Socket()
    socket.run(0.5)
    socket.burst()
    socket.run(BEAT)

    took = socket.run(600)

    assert took is not None
    assert took > 85


def test_a_burst_then_silence_is_mute_after_ten_seconds_where_much_came_before() -> None:
    socket = streaming_socket(rate=100)
    socket.reopen()
    socket.run(1.0)
    socket.burst()

    took = socket.run(600)

    assert took is not None
    assert took <= 10.25


def test_nothing_at_all_after_an_opening_is_mute_after_ten_seconds_where_twenty_streamed_before() -> None:
    socket = streaming_socket(rate=0.5, sent=20)
    socket.reopen()

    took = socket.run(600)

    assert took is not None
    assert took <= 10.25


def test_nothing_at_all_after_an_opening_is_borne_where_few_streamed_before() -> None:
    socket = streaming_socket(rate=0.2, sent=19)
    socket.reopen()

    took = socket.run(600)

    assert took is not None
    assert took > 85


def test_a_rate_of_long_ago_is_not_held_against_a_socket_of_today() -> None:
    socket = streaming_socket(rate=100)
    socket.reopen()
    socket.burst()
    socket.run(400, rate=0.3)

    took = socket.run(600)

    assert took is not None
    assert took > 80


def test_where_pauses_are_usual_the_rate_does_not_count() -> None:
    socket = Socket()
    socket.burst()
    socket.run(8)
    for _ in range(20):
        socket.run(0.5, rate=400)
        assert socket.run(30) is None


def test_off_hours_no_silence_is_too_long() -> None:
    socket = streaming_socket(rate=500)
    socket.expected = CLOSED

    assert socket.run(8 * 3_600) is None


def test_the_night_is_not_held_against_the_morning() -> None:
    socket = streaming_socket(rate=500)
    socket.expected = CLOSED
    socket.run(3_600)
    socket.expected = OPTIONS

    took = socket.run(600)

    assert took is not None
    assert took >= 89


def test_the_rate_of_other_segments_is_forgotten_when_they_freeze() -> None:
    socket = Socket(expected=WITH_SPOTS)
    socket.burst()
    socket.run(70, rate=100)
    socket.expected = OPTIONS

    assert socket.run(80) is None


def test_the_rate_before_most_instruments_were_released_is_forgotten() -> None:
    socket = streaming_socket(rate=100)
    socket.sent = 100

    assert socket.run(80) is None


def test_time_without_a_check_is_not_silence() -> None:
    socket = streaming_socket(rate=100)
    socket.now += 30

    assert socket.run(9.5) is None


def test_a_socket_without_instruments_is_never_mute() -> None:
    assert Socket(sent=0).run(3_600) is None


@given(
    sent=st.integers(1, 5_000),
    rates=st.lists(st.floats(0, 500), max_size=8),
    expected=st.sampled_from([OPTIONS, WITH_SPOTS]),
)
def test_no_silence_shorter_than_ten_seconds_is_mute_and_none_longer_than_ninety_is_borne(
    sent: int, rates: list[float], expected: frozenset[ExchangeSegment]
) -> None:
    socket = Socket(sent=sent, expected=expected)
    socket.burst()
    for rate in rates:
        socket.run(20, rate=rate + 0.2)  # A packet each five seconds at least.
    socket.burst()
    socket.run(BEAT)

    took = socket.run(200)

    assert took is not None
    assert 9.5 <= took <= 90
