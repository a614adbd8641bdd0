"""The statistics of one connection: over all its sockets, by kind and by cause."""

from marketdata.dhan import packets
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import OiTick
from marketdata.domain.tick_rules import TickFault
from subscriptions.feed.connection.life import ConnectionLifecycle
from subscriptions.feed.ownership.statements import Lease
from subscriptions.feed.publishing.statistics import ConnectionStatistics

OURS = InstrumentKey(ExchangeSegment.NSE_FNO, 40_472)
UNSUBSCRIBED = InstrumentKey(ExchangeSegment.NSE_FNO, 40_473)


def receive(connection: ConnectionLifecycle, *messages: bytes) -> None:
    for message in messages:
        connection.table.append(message)
    connection.drain()


def test_statistics_continue_over_the_sockets_of_one_owner() -> None:
    connection = ConnectionLifecycle(Lease(1, 1))
    connection.table.add({OURS: 1})
    statistics = ConnectionStatistics(connection)
    first, second = packets.encode(OiTick(OURS, 5)), packets.encode(OiTick(OURS, 6))

    receive(connection, first)
    statistics.note_flush(connection.table.take_changes(), late_seconds=0.2, took_seconds=0.001)
    connection.table.begin_socket()
    receive(connection, second, second)

    read = statistics.read()
    assert (read.packets, read.bytes) == (3, len(first) * 3)
    assert read.flush.counts[1] == 1  # at most one millisecond
    assert sum(read.loop_lag.counts) == 1
    assert read.loop_lag.total == 0.2


def test_decode_errors_are_counted_by_kind() -> None:
    connection = ConnectionLifecycle(Lease(1, 1))
    connection.table.add({OURS: 1})

    receive(connection, packets.encode(OiTick(UNSUBSCRIBED, 5)), b"\x05", b"\x63\x08\x00" + bytes(5))

    assert ConnectionStatistics(connection).read().decode_errors == {"malformed": 1, "unknown": 1, "stranger": 1}


def test_every_cause_and_every_kind_is_listed_from_the_start() -> None:
    read = ConnectionStatistics(ConnectionLifecycle(Lease(1, 1))).read()

    causes = ("network", "broker", "mute", "bad_data", "quiet", "fenced", "held_slot")
    assert read.reconnects == dict.fromkeys(causes, 0)
    assert set(read.impossible_ticks) == set(TickFault)
