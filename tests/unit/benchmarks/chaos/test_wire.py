"""The record of the wire: prices in the order of the rules, readable packets only, counts and rates."""

from benchmarks.chaos.wire import Price, WireRecord
from marketdata.dhan import packets, requests
from marketdata.domain.quotes import TickerTick
from tests.unit.benchmarks.chaos.wires import NOW, RATE, key_of, make_packet, make_wire, stream, subscribe, wire_key

FIRST = Price(100.0, bid=99.5, ask=100.5, volume=1_000, oi=500)


def test_a_cut_packet_and_those_after_it_in_the_message_are_unreadable() -> None:
    wire = WireRecord()
    link = wire.open_link(NOW)

    whole = make_packet(1, 100.0, at=NOW)
    wire.receive(link, whole + make_packet(2, 5.0, at=NOW)[:90], NOW)

    assert list(wire.streams) == [wire_key(1)]
    assert wire.packets == 1


def test_a_ticker_packet_states_the_last_price_only() -> None:
    wire = WireRecord()
    link = wire.open_link(NOW)

    wire.receive(link, packets.encode(TickerTick(key=key_of(1), ltp=12.5, ltt=int(NOW))), NOW)

    assert list(wire.streams[wire_key(1)].prices_between(NOW, NOW)) == [Price(12.5)]


def test_prices_of_a_period_begin_with_the_one_that_was_the_newest_at_its_start() -> None:
    wire, link = make_wire()
    stream(wire, link, since=NOW, until=NOW + 1, price=101.0)
    stream(wire, link, since=NOW + 1, until=NOW + 2, price=102.0)
    prices = wire.streams[wire_key(1)]

    assert [one and one.ltp for one in prices.prices_between(NOW + 0.5, NOW + 1.5)] == [102.0, 101.0]
    assert list(prices.prices_between(NOW - 20, NOW - 10)) == [FIRST]


def test_an_unsubscribe_ends_the_mode_that_it_names() -> None:
    wire = WireRecord()
    link = wire.open_link(NOW)
    subscribe(wire, link, (1,))
    ticker = requests.Request(requests.RequestCode.UNSUBSCRIBE_TICKER, (key_of(1),))
    full = requests.Request(requests.RequestCode.UNSUBSCRIBE_FULL, (key_of(1),))

    wire.request(link, requests.encode(ticker).encode(), NOW)
    assert wire_key(1) in link.subscribed
    wire.request(link, requests.encode(full).encode(), NOW)

    assert link.subscribed == {}


def test_the_rate_counts_packets_that_are_no_answer_to_a_subscribe() -> None:
    wire = WireRecord()
    link = wire.open_link(NOW)
    for number in range(1, 200):
        wire.receive(link, make_packet(number, 1.0, at=NOW), NOW)

    assert link.rate(NOW + 5) == 0
    assert make_wire()[1].rate(NOW) == RATE
