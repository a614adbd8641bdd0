import pytest

from marketdata.domain.feed import Delivery, DeliveryReading
from marketdata.domain.instruments import ExchangeSegment
from subscriptions.domain.delivery import DeliveryMonitor
from subscriptions.domain.watchdog import Reading

BEAT = 0.25
OPTIONS = frozenset({ExchangeSegment.NSE_FNO})
WITH_SPOTS = OPTIONS | {ExchangeSegment.IDX_I}
NO_SEGMENTS: frozenset[ExchangeSegment] = frozenset()
CLOSED: frozenset[ExchangeSegment] = frozenset()


class Socket:
    """A simulated connection with its monitor and a clock; all instruments have had their first packet."""

    def __init__(self, *, sent: int = 1_000) -> None:
        self.now = 0.0
        self.sent, self.segments, self.expected = sent, OPTIONS, OPTIONS
        self.kept_share = 1.0
        self.packets = 0.0
        self.monitor = DeliveryMonitor()
        self.reopen()

    def reopen(self) -> None:
        """Open a new socket; its first packets have come."""
        self.monitor.begin_socket(now=self.now)
        self.packets = float(self.sent)

    def run(self, seconds: float, *, rate: float = 0.0) -> DeliveryReading:
        """Advance the clock by `seconds` and return the last reading."""
        until = self.now + seconds
        reading = DeliveryReading()
        while self.now < until:
            self.now += BEAT
            self.packets += rate * BEAT
            seen = Reading(
                packets=int(self.packets),
                streaming=self.sent,
                sent=self.sent,
                segments=self.segments,
                expected=self.expected,
                kept_share=self.kept_share,
            )
            self.kept_share = 1.0
            reading = self.monitor.check(seen, now=self.now)
        return reading

    def remove(self, count: int, *, kept_share: float) -> None:
        """Remove instruments; the others had `kept_share` of the packets."""
        self.sent, self.kept_share = self.sent - count, self.kept_share * kept_share

    def subscribe(self, segments: frozenset[ExchangeSegment], *, sent: int) -> None:
        """Change what is sent; all of it is in session."""
        self.sent, self.segments, self.expected = sent, segments, segments

    def seconds_until(self, condition: Delivery, *, rate: float = 0.0, within: float = 60.0) -> float | None:
        """Return the time until the monitor finds `condition`, or None."""
        began_at = self.now
        while self.now - began_at < within:
            if self.run(BEAT, rate=rate).condition is condition:
                return self.now - began_at
        return None


def flowing_socket(*, rate: float = 2_000.0, seconds: float = 70.0) -> Socket:
    socket = Socket()
    assert socket.run(seconds, rate=rate).condition is Delivery.FLOWING
    return socket


def test_a_connection_without_due_packets_is_silent_within_three_seconds() -> None:
    took = flowing_socket().seconds_until(Delivery.SILENT)

    assert took is not None
    assert 2.0 <= took <= 2.75


def test_a_connection_is_silent_within_three_seconds_ten_seconds_after_its_start() -> None:
    took = flowing_socket(rate=400, seconds=10).seconds_until(Delivery.SILENT)

    assert took is not None
    assert took <= 2.75


@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_a_sparse_connection_is_silent_only_after_twenty_due_packets(rate: float) -> None:
    took = flowing_socket(rate=rate).seconds_until(Delivery.SILENT)

    assert took is not None
    assert took >= 0.9 * 20 / rate


def test_a_packet_ends_the_silence() -> None:
    socket = flowing_socket()
    assert socket.run(5).condition is Delivery.SILENT

    assert socket.run(BEAT, rate=2_000).condition is Delivery.FLOWING


def test_nothing_is_due_out_of_session() -> None:
    socket = flowing_socket()
    socket.expected = CLOSED

    reading = socket.run(600)

    assert (reading.condition, reading.due) == (Delivery.FLOWING, 0)


def test_a_silence_before_the_end_of_the_session_outlives_it() -> None:
    socket = flowing_socket()
    socket.run(5)
    socket.expected = CLOSED

    assert socket.run(60).condition is Delivery.SILENT


def test_a_frozen_process_takes_its_own_silence_for_none() -> None:
    socket = flowing_socket()

    socket.now += 20

    assert socket.run(BEAT).condition is Delivery.FLOWING


def test_a_dripping_connection_is_starved_after_ten_seconds() -> None:
    socket = flowing_socket()

    took = socket.seconds_until(Delivery.STARVED, rate=1.2)

    assert took is not None
    assert 8.5 <= took <= 10.5


def test_the_next_socket_of_a_dripping_connection_is_starved_again() -> None:
    socket = flowing_socket()
    socket.seconds_until(Delivery.STARVED, rate=1.2)

    socket.reopen()
    took = socket.seconds_until(Delivery.STARVED, rate=1.2)

    assert took is not None
    assert took <= 10.5


def test_a_connection_with_more_than_a_tenth_of_its_rate_is_not_starved() -> None:
    assert flowing_socket().seconds_until(Delivery.STARVED, rate=250, within=600) is None


def test_a_sparse_connection_is_never_starved() -> None:
    assert flowing_socket(rate=8).seconds_until(Delivery.STARVED, rate=0.7, within=600) is None


def test_a_market_that_becomes_twenty_times_slower_is_believed_after_minutes() -> None:
    socket = flowing_socket()
    assert socket.run(30, rate=100).condition is Delivery.STARVED

    assert socket.run(400, rate=100).condition is Delivery.FLOWING


def test_without_busy_instruments_fewer_packets_are_due() -> None:
    socket = flowing_socket()
    due = socket.run(BEAT, rate=2_000).due
    socket.remove(50, kept_share=0.05)

    reading = socket.run(20, rate=100)

    assert due > 15_000
    assert reading.condition is Delivery.FLOWING


def test_a_connection_whose_quiet_instruments_are_removed_is_still_silent_within_three_seconds() -> None:
    socket = flowing_socket()
    socket.remove(500, kept_share=0.99)

    took = socket.seconds_until(Delivery.SILENT)

    assert took is not None
    assert took <= 2.75


def test_instruments_removed_from_a_starved_connection_hide_nothing() -> None:
    socket = flowing_socket()
    socket.run(5, rate=1.2)
    socket.remove(300, kept_share=0.7)

    took = socket.seconds_until(Delivery.STARVED, rate=1.2)

    assert took is not None
    assert took <= 5.5


@pytest.mark.parametrize(("before", "after"), [(OPTIONS, WITH_SPOTS), (WITH_SPOTS, OPTIONS)])
def test_a_segment_that_is_added_or_removed_does_not_hide_a_silence(
    before: frozenset[ExchangeSegment], after: frozenset[ExchangeSegment]
) -> None:
    socket = Socket()
    socket.subscribe(before, sent=1_000)
    socket.run(70, rate=2_000)
    socket.run(1)
    socket.subscribe(after, sent=1_001)

    took = socket.seconds_until(Delivery.SILENT)

    assert took is not None
    assert took <= 1.75


def test_the_rate_outlives_a_socket_that_has_not_subscribed_yet() -> None:
    socket = flowing_socket()
    socket.reopen()
    socket.subscribe(NO_SEGMENTS, sent=0)
    socket.run(2 * BEAT)
    socket.subscribe(OPTIONS, sent=1_000)

    took = socket.seconds_until(Delivery.SILENT)

    assert took is not None
    assert took <= 2.75
