"""The rules of every moment: each finds what violates it, and nothing on good data."""

from collections.abc import Sequence

import pytest

from benchmarks.chaos.checks import (
    CALM,
    DURING_ACTS,
    LIVE,
    Limits,
    Screen,
    ShownRow,
    check_limits,
    check_screen,
    live_age,
)
from benchmarks.chaos.wire import Price, WireRecord
from marketdata.domain.instruments import ExchangeSegment
from tests.unit.benchmarks.chaos.wires import NOW, make_packet, make_wire, stream, subscribe, unsubscribe, wire_key

KEYS = {101: wire_key(1), 102: wire_key(2)}
SHOWN = Price(100.0, bid=99.5, ask=100.5, volume=1_000, oi=500)


def make_screen(price: Price = SHOWN, *, state: str = LIVE, is_seeded: bool = False, tone: str = "live") -> Screen:
    return Screen("page", rows={101: ShownRow(state, is_seeded, price)}, tone=tone)


def broken_rules(screen: Screen, wire: WireRecord, *, now: float = NOW, limits: Limits = CALM) -> Sequence[str]:
    return [one.rule for one in check_screen(screen, wire, KEYS, now=now, limits=limits)]


def test_a_row_that_equals_the_wire_breaks_no_rule() -> None:
    wire, _ = make_wire()

    assert broken_rules(make_screen(), wire) == []


@pytest.mark.parametrize(
    "price",
    [
        SHOWN._replace(ltp=100.25),
        SHOWN._replace(bid=99.75),
        SHOWN._replace(ask=None),
        SHOWN._replace(volume=999),
        SHOWN._replace(oi=None),
    ],
)
def test_a_live_value_that_was_never_sent_is_found(price: Price) -> None:
    wire, _ = make_wire()

    assert broken_rules(make_screen(price), wire) == ["a live value is the last one sent"]


@pytest.mark.parametrize("state", ["stale", "suspect", "waiting", "closed"])
def test_a_value_that_is_not_shown_as_live_promises_nothing(state: str) -> None:
    wire, _ = make_wire()

    assert broken_rules(make_screen(SHOWN._replace(ltp=1.0), state=state), wire) == []


def test_the_age_of_live_rows_is_that_of_the_last_packet_of_their_socket() -> None:
    wire, _ = make_wire(until=NOW - 2)

    assert live_age(make_screen(), wire, KEYS, now=NOW) == pytest.approx(2.0, abs=0.1)
    assert live_age(make_screen(state="stale"), wire, KEYS, now=NOW) == 0.0


def test_the_age_of_a_live_row_with_an_old_price_counts_from_the_next_price() -> None:
    wire, link = make_wire(until=NOW - 3)
    stream(wire, link, since=NOW - 3, until=NOW, price=101.0)

    assert live_age(make_screen(), wire, KEYS, now=NOW) == pytest.approx(3.0, abs=0.1)


def test_an_earlier_value_is_permitted_for_as_long_as_the_link_takes() -> None:
    wire, link = make_wire(until=NOW - 1)
    stream(wire, link, since=NOW - 1, until=NOW, price=101.0)

    assert broken_rules(make_screen(), wire, now=NOW) == []
    stream(wire, link, since=NOW, until=NOW + 1, price=101.0)
    assert broken_rules(make_screen(), wire, now=NOW + 1) == ["a live value is the last one sent"]
    assert broken_rules(make_screen(), wire, now=NOW + 1, limits=DURING_ACTS) == []


def test_a_live_row_of_an_instrument_without_any_packet_is_found_unless_rest_gave_its_price() -> None:
    wire, link = make_wire()
    subscribe(wire, link, (3,))
    keys = {101: wire_key(3)}

    rules = [one.rule for one in check_screen(make_screen(), wire, keys, now=NOW, limits=CALM)]
    seeded = list(check_screen(make_screen(is_seeded=True), wire, keys, now=NOW, limits=CALM))

    assert rules == ["a live value is the last one sent"]
    assert seeded == []


def test_a_price_of_rest_may_stand_until_the_next_packet_has_passed_the_link() -> None:
    wire, link = make_wire(until=NOW - 10)
    seeded = Screen("page", {101: ShownRow(LIVE, True, SHOWN._replace(ltp=7.0), since=NOW - 5, changed_at=NOW - 5)})
    stream(wire, link, since=NOW, until=NOW + 1, price=101.0)

    assert broken_rules(seeded, wire, now=NOW + 1) == []
    assert broken_rules(seeded, wire, now=NOW + 2) == ["a live value is the last one sent"]


def test_a_new_row_may_be_live_for_as_long_as_its_subscribe_request_takes() -> None:
    wire, _ = make_wire()
    keys = {101: wire_key(3)}

    def rules(since: float) -> Sequence[str]:
        screen = Screen("page", rows={101: ShownRow(LIVE, is_seeded=True, price=SHOWN, since=since)})
        return [one.rule for one in check_screen(screen, wire, keys, now=NOW, limits=CALM)]

    assert (rules(NOW - 3.5), rules(NOW - 4.5)) == ([], ["a live row has packets"])


def test_a_price_of_rest_that_hides_a_later_packet_is_found() -> None:
    wire, _ = make_wire()

    assert broken_rules(make_screen(SHOWN._replace(ltp=7.0), is_seeded=True), wire) == [
        "a live value is the last one sent"
    ]


@pytest.mark.parametrize("ltp", [float("nan"), 0.0, -100.0])
def test_a_row_that_stays_live_after_an_impossible_price_is_found(ltp: float) -> None:
    wire, link = make_wire()
    wire.receive(link, make_packet(1, ltp, at=NOW), NOW)

    assert broken_rules(make_screen(), wire, now=NOW + 1) == []
    assert "a live value is the last one sent" in broken_rules(make_screen(), wire, now=NOW + 2)


def test_an_older_trade_time_does_not_replace_the_newest_value() -> None:
    wire, link = make_wire()
    wire.receive(link, make_packet(1, 90.0, at=NOW, lag=60), NOW)

    assert broken_rules(make_screen(), wire, now=NOW + 2) == []


def test_a_volume_of_more_than_32_bits_equals_its_lower_bits_on_the_wire() -> None:
    wire, _ = make_wire()

    assert broken_rules(make_screen(SHOWN._replace(volume=2**32 + 1_000)), wire) == []


def test_a_row_that_stays_live_on_a_silent_socket_is_found_four_seconds_after_the_last_packet() -> None:
    wire, _ = make_wire()

    assert broken_rules(make_screen(), wire, now=NOW + 3.9) == []
    assert broken_rules(make_screen(), wire, now=NOW + 4.1) == ["a live row has packets"]


def test_silence_where_few_packets_were_due_is_no_violation() -> None:
    wire, _ = make_wire(rate=2)

    assert broken_rules(make_screen(), wire, now=NOW + 20) == []


def test_a_row_that_stays_live_after_the_end_of_its_socket_is_found() -> None:
    wire, link = make_wire(rate=2)
    wire.close_link(link, NOW)

    assert broken_rules(make_screen(), wire, now=NOW + 3) == []
    assert broken_rules(make_screen(), wire, now=NOW + 5) == ["a live row has packets"]


def test_a_row_that_another_socket_carries_may_stay_live() -> None:
    wire, link = make_wire()
    wire.close_link(link, NOW)
    other = wire.open_link(NOW)
    subscribe(wire, other, (1, 2))
    stream(wire, other, since=NOW, until=NOW + 5)

    assert broken_rules(make_screen(), wire, now=NOW + 5) == []


def test_a_live_row_that_nothing_subscribes_any_more_is_found() -> None:
    wire, link = make_wire()
    unsubscribe(wire, link, (1,))
    stream(wire, link, since=NOW, until=NOW + 5, rate=0)

    assert broken_rules(make_screen(), wire, now=NOW + 5) == ["a live row has packets"]


def test_a_row_that_was_just_unsubscribed_may_be_live_although_its_last_packet_is_old() -> None:
    wire, link = make_wire(until=NOW - 8)
    unsubscribe(wire, link, (1,))

    assert broken_rules(make_screen(), wire, now=NOW + 1) == []


def test_a_row_that_was_just_unsubscribed_may_be_live_after_an_older_socket_of_it_has_ended() -> None:
    wire, link = make_wire(until=NOW - 10)
    wire.close_link(link, NOW - 10)
    other = wire.open_link(NOW - 10)
    subscribe(wire, other, (1, 2))
    stream(wire, other, since=NOW - 10, until=NOW)
    unsubscribe(wire, other, (1,))

    assert broken_rules(make_screen(), wire, now=NOW + 2) == []


def test_a_live_row_of_a_starved_socket_is_found_and_one_with_packets_of_its_own_is_not() -> None:
    wire, link = make_wire()
    # Instrument 2 still gets a packet each second, 1 gets none: a fortieth of the rate.
    for second in range(14):
        wire.receive(link, make_packet(2, 100.0, at=NOW + second), NOW + second)
    both = Screen("page", rows={one: ShownRow(LIVE, is_seeded=False, price=SHOWN) for one in (101, 102)})

    found = list(check_screen(both, wire, KEYS, now=NOW + 13.5, limits=CALM))

    assert [(one.rule, "instrument 101" in one.detail, "starved" in one.detail) for one in found] == [
        ("a live row has packets", True, True)
    ]


def test_a_delayed_feed_under_a_chip_that_says_live_is_found() -> None:
    wire, _ = make_wire(lag=8.0)

    assert broken_rules(make_screen(), wire) == ["a delayed feed is shown as delayed"]
    assert broken_rules(make_screen(tone="warn"), wire) == []


def test_a_trade_lag_within_the_limit_is_no_violation() -> None:
    wire, _ = make_wire(lag=3.0)

    assert broken_rules(make_screen(), wire) == []


def test_a_live_row_of_an_unlisted_instrument_is_found() -> None:
    wire, _ = make_wire()

    found = list(check_screen(make_screen(), wire, {}, now=NOW, limits=CALM))

    assert [one.rule for one in found] == ["a live row is a listed instrument"]


def test_a_sixth_socket_is_found_by_either_count() -> None:
    wire = WireRecord()
    for _ in range(5):
        wire.open_link(NOW)
    assert list(check_limits(wire, broker_high_water=5, now=NOW)) == []

    assert [one.rule for one in check_limits(wire, broker_high_water=6, now=NOW)] == ["never a sixth socket"]
    wire.open_link(NOW)
    assert [one.rule for one in check_limits(wire, broker_high_water=5, now=NOW)] == ["never a sixth socket"]


def test_a_sixth_socket_after_the_end_of_another_is_no_violation() -> None:
    wire = WireRecord()
    links = [wire.open_link(NOW) for _ in range(5)]
    wire.close_link(links[0], NOW)
    wire.open_link(NOW)

    assert list(check_limits(wire, broker_high_water=5, now=NOW)) == []


def test_too_many_instruments_on_a_connection_and_in_total_are_found_even_after_they_were_removed() -> None:
    wire = WireRecord()
    links = [wire.open_link(NOW) for _ in range(5)]
    for link in links:
        subscribe(wire, link, range(1, 5_001))
    assert list(check_limits(wire, broker_high_water=5, now=NOW)) == []

    subscribe(wire, links[0], (5_001,))
    unsubscribe(wire, links[0], (5_001,))

    assert [one.rule for one in check_limits(wire, broker_high_water=5, now=NOW)] == [
        "never over 5,000 on a connection",
        "never over 25,000",
    ]


def test_a_required_row_that_is_missing_or_stale_is_dark() -> None:
    screen = make_screen()
    screen.required = frozenset({101, 102})
    assert screen.dark_rows() == [102]

    screen.rows[101] = ShownRow("stale", is_seeded=False, price=SHOWN)
    assert screen.dark_rows() == [101, 102]


def test_the_keys_of_the_tests_are_those_of_packets() -> None:
    assert wire_key(7) == (ExchangeSegment.NSE_FNO, 7)
