"""What one owner counts: over all of its sockets, by kind and by cause."""

from marketdata.dhan import packets
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import OiTick
from marketdata.domain.tick_rules import TickFault
from subscriptions.domain.connection_life import DisconnectCause
from subscriptions.feed.connection.owner import Owner
from subscriptions.feed.ownership.statements import Lease
from subscriptions.feed.publishing.statistics import ConnectionStatistics

OURS = InstrumentKey(ExchangeSegment.NSE_FNO, 40_472)
STRANGER = InstrumentKey(ExchangeSegment.NSE_FNO, 40_473)


def hear(owner: Owner, *messages: bytes) -> None:
    for message in messages:
        owner.table.append(message)
    owner.absorb()


def test_figures_go_on_over_the_sockets_of_one_owner() -> None:
    owner = Owner(Lease(1, 1))
    owner.table.add({OURS: 1})
    figures = ConnectionStatistics(owner)
    first, second = packets.encode(OiTick(OURS, 5)), packets.encode(OiTick(OURS, 6))

    hear(owner, first)
    figures.note_flush(owner.table.take_changes(), late_seconds=0.2, took_seconds=0.001)
    owner.table.begin_socket()
    hear(owner, second, second)

    read = figures.read()
    assert (read.packets, read.bytes) == (3, len(first) * 3)
    assert read.flush.counts[1] == 1  # up to one millisecond
    assert sum(read.loop_lag.counts) == 1
    assert read.loop_lag.total == 0.2


def test_what_cannot_be_read_is_counted_by_kind() -> None:
    owner = Owner(Lease(1, 1))
    owner.table.add({OURS: 1})

    hear(owner, packets.encode(OiTick(STRANGER, 5)), b"\x05", b"\x63\x08\x00" + bytes(5))

    assert ConnectionStatistics(owner).read().decode_errors == {"malformed": 1, "unknown": 1, "stranger": 1}


def test_every_cause_and_every_kind_is_there_from_the_start() -> None:
    owner = Owner(Lease(1, 1))
    owner.reconnects[DisconnectCause.MUTE] += 2

    read = ConnectionStatistics(owner).read()

    assert read.reconnects == {cause.value: 2 if cause is DisconnectCause.MUTE else 0 for cause in DisconnectCause}
    assert set(read.impossible_ticks) == set(TickFault)
