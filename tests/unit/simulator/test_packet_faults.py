"""Faults that alter packets."""

from collections import Counter

import pytest

from marketdata.dhan import packets
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import TickerTick
from simulator.faults import REGISTRY
from simulator.packet_faults import PACKET_FAULTS, PacketFaults
from tests.simulators import EVERYDAY_FAULTS

KNOWN = {code.value for code in packets.PacketCode}


def good_packets(count: int) -> list[bytes]:
    """Return distinct packets: each has a different time."""
    key = InstrumentKey(ExchangeSegment.NSE_EQ, 2885)
    return [packets.encode(TickerTick(key, 1_400.0, 1_700_000_000 + number)) for number in range(count)]


def test_the_same_seed_gives_the_same_messages() -> None:
    dials = dict.fromkeys(PACKET_FAULTS, 0.3) | {"stacked": 2.0}

    one, same, other = (list(PacketFaults(seed).messages(good_packets(200), dials)) for seed in (7, 7, 8))

    assert one == same
    assert one != other


def test_packets_without_faults_are_unchanged() -> None:
    assert list(PacketFaults(7).messages(good_packets(3), {})) == good_packets(3)


def test_every_fault_of_packets_is_in_the_registry() -> None:
    assert set(REGISTRY) >= PACKET_FAULTS


def test_everyday_faults_lose_no_packet_and_invent_no_price() -> None:
    found = list(PacketFaults(7).messages(good_packets(2_000), EVERYDAY_FAULTS))

    parts = [part for message in found for part in packets.split(message)]
    ticks = [tick for part in parts if part[0] in KNOWN and isinstance(tick := packets.decode(part), TickerTick)]
    assert {tick.ltp for tick in ticks} == {1_400.0}
    assert len(ticks) > 2_000
    assert len(parts) > len(ticks)
    without_time = sum(tick.ltt == 0 for tick in ticks)
    assert 0 < without_time < 100
    assert len({tick.ltt for tick in ticks if tick.ltt}) >= 2_000 - without_time


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_a_delayed_packet_follows_its_successor_and_is_not_lost(share: float) -> None:
    sent = good_packets(1_000)

    found = list(PacketFaults(7).messages(sent, {"out_of_order": share}))

    assert len(found) >= 999
    assert not Counter(found) - Counter(sent)
    places = [found.index(packet) for packet in sent[:999] if packet in found]
    assert max(abs(place - number) for number, place in enumerate(places)) <= 1
    assert found != sent
