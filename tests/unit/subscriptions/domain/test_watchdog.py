from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.instruments import ExchangeSegment
from subscriptions.domain.watchdog import Limits, Reading, Watchdog

BEAT = 0.25
OPTIONS = frozenset({ExchangeSegment.NSE_FNO})
WITH_SPOTS = OPTIONS | {ExchangeSegment.IDX_I}
CLOSED: frozenset[ExchangeSegment] = frozenset()


class Socket:
    """A simulated socket with a watchdog and a clock; the first packets are the first of each instrument."""

    def __init__(self, *, sent: int = 1_000, expected: frozenset[ExchangeSegment] = OPTIONS) -> None:
        self.now = 0.0
        self.sent, self.segments, self.expected = sent, expected, expected
        self.kept_share = 1.0
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
        """Advance the clock by up to `seconds`; return the time until the watchdog reports a mute socket, or None."""
        began_at = self.now
        while self.now - began_at < seconds:
            self.now += BEAT
            self.packets += rate * BEAT
            self.streaming = min(float(self.sent), max(self.streaming, self.packets))
            seen = Reading(
                packets=int(self.packets),
                streaming=int(self.streaming),
                sent=self.sent,
                segments=self.segments,
                expected=self.expected,
                kept_share=self.kept_share,
            )
            self.kept_share = 1.0
            if self.watchdog.check(seen, now=self.now) is not None:
                return self.now - began_at
        return None


def streaming_socket(*, rate: float = 100.0, seconds: float = 70.0, sent: int = 1_000) -> Socket:
    socket = Socket(sent=sent)
    socket.burst()
    assert socket.run(seconds, rate=rate) is None
    return socket


def test_a_busy_socket_is_mute_after_ten_seconds_without_data() -> None:
    assert streaming_socket(rate=100).run(600) == 10.0


def test_a_socket_with_twenty_expected_packets_in_ten_seconds_is_busy() -> None:
    assert streaming_socket(rate=4).run(600) == 10.0


def test_a_sparse_socket_is_mute_after_ninety_seconds_without_data() -> None:
    took = streaming_socket(rate=0.5).run(600)

    assert took is not None
    assert 85 < took <= 90


def test_first_packets_are_not_counted_in_the_rate() -> None:
    socket = Socket()
    socket.run(0.5)
    socket.burst()
    socket.run(BEAT)

    took = socket.run(600)

    assert took is not None
    assert took > 85


def test_a_formerly_busy_socket_is_mute_ten_seconds_after_a_burst() -> None:
    socket = streaming_socket(rate=100)
    socket.reopen()
    socket.run(1.0)
    socket.burst()

    took = socket.run(600)

    assert took is not None
    assert took <= 10.25


def test_a_new_socket_without_data_is_mute_after_ten_seconds_if_twenty_streamed_before() -> None:
    socket = streaming_socket(rate=0.5, sent=20)
    socket.reopen()

    took = socket.run(600)

    assert took is not None
    assert took <= 10.25


def test_a_new_socket_without_data_is_tolerated_longer_if_few_streamed_before() -> None:
    socket = streaming_socket(rate=0.2, sent=19)
    socket.reopen()

    took = socket.run(600)

    assert took is not None
    assert took > 85


def test_the_rate_of_an_earlier_socket_expires() -> None:
    socket = streaming_socket(rate=100)
    socket.reopen()
    socket.burst()
    socket.run(400, rate=0.3)

    took = socket.run(600)

    assert took is not None
    assert took > 80


def test_after_a_pause_the_rate_is_not_used() -> None:
    socket = Socket()
    socket.burst()
    socket.run(8)
    for _ in range(20):
        socket.run(0.5, rate=400)
        assert socket.run(30) is None


def test_no_socket_is_mute_while_no_data_is_expected() -> None:
    socket = streaming_socket(rate=500)
    socket.expected = CLOSED

    assert socket.run(8 * 3_600) is None


def test_time_without_expected_data_does_not_count_as_silence() -> None:
    socket = streaming_socket(rate=500)
    socket.expected = CLOSED
    socket.run(3_600)
    socket.expected = OPTIONS

    took = socket.run(600)

    assert took is not None
    assert took >= 89


def test_the_rate_is_reset_when_a_segment_stops_trading() -> None:
    socket = Socket(expected=WITH_SPOTS)
    socket.burst()
    socket.run(70, rate=100)
    socket.expected = OPTIONS

    assert socket.run(80) is None


def test_the_rate_falls_by_the_share_of_removed_instruments() -> None:
    socket = streaming_socket(rate=100)
    socket.sent, socket.kept_share = 900, 0.001

    assert socket.run(80) is None


def test_a_socket_whose_quiet_instruments_are_removed_is_mute_after_ten_seconds() -> None:
    socket = streaming_socket(rate=100)
    socket.sent, socket.kept_share = 100, 0.9

    assert socket.run(600) == 10.0


def test_an_instrument_of_another_segment_does_not_hide_a_mute_socket() -> None:
    socket = streaming_socket(rate=100)
    socket.run(5)
    socket.sent, socket.segments, socket.expected = 1_001, WITH_SPOTS, WITH_SPOTS

    took = socket.run(600)

    assert took is not None
    assert took <= 5.25


def test_traders_who_add_and_remove_do_not_hide_a_new_socket_that_is_mute() -> None:
    socket = streaming_socket(rate=100)
    socket.reopen()
    took = None
    for _ in range(20):
        socket.sent += 1
        took = took or socket.run(1)

    assert took is not None


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
def test_a_socket_becomes_mute_between_ten_and_ninety_seconds_without_data(
    sent: int, rates: list[float], expected: frozenset[ExchangeSegment]
) -> None:
    socket = Socket(sent=sent, expected=expected)
    socket.burst()
    for rate in rates:
        socket.run(20, rate=rate + 0.2)  # At least one packet in five seconds.
    socket.burst()
    socket.run(BEAT)

    took = socket.run(200)

    assert took is not None
    assert 9.5 <= took <= 90
