"""Offsets of packets in whole arrays of messages, against `packets.split` message by message."""

from collections.abc import Sequence
from dataclasses import asdict

from hypothesis import example, given
from hypothesis import strategies as st

from marketdata.dhan import packets
from marketdata.dhan.counters import Counters
from marketdata.dhan.framing import find_packets
from marketdata.dhan.packets import HEADER, LENGTH_OF, DecodeError, PacketCode


def make_packet(code: int, length: int) -> bytes:
    return HEADER.pack(code, length, 2, 40_472).ljust(length, b"\x05")


known_packets = st.sampled_from(PacketCode).map(lambda code: make_packet(code, LENGTH_OF[code]))
# A wrong code or length in a packet that is as long as those beside it, and a message that ends too early.
spoiled_packets = st.sampled_from(PacketCode).flatmap(
    lambda code: st.sampled_from(
        [
            HEADER.pack(3, LENGTH_OF[code], 2, 1).ljust(LENGTH_OF[code], b"\x05"),
            HEADER.pack(code, LENGTH_OF[code] + 1, 2, 1).ljust(LENGTH_OF[code], b"\x05"),
            make_packet(code, LENGTH_OF[code])[:-1],
        ]
    )
)
runs = st.builds(lambda packet, count: packet * count, known_packets, st.integers(1, 60))
spoiled_runs = st.builds(
    lambda packet, before, spoiled, after: packet * before + spoiled + packet * after,
    known_packets,
    st.integers(0, 5),
    spoiled_packets,
    st.integers(0, 5),
)
mixed = st.lists(known_packets, min_size=1, max_size=8).map(b"".join)


def find_slowly(messages: Sequence[bytes]) -> tuple[list[int], Counters]:
    offsets, counters, start = [], Counters(), 0
    for message in messages:
        at = start
        try:
            for packet in packets.split(message):
                code, length = HEADER.unpack_from(packet)[:2]
                if LENGTH_OF.get(code) == length:
                    offsets.append(at)
                else:
                    counters.unknown += 1
                at += len(packet)
        except DecodeError:
            counters.malformed += 1
        start += len(message)
    counters.packets = len(offsets)
    return offsets, counters


@given(st.lists(runs | spoiled_runs | mixed | st.binary(max_size=60), max_size=8))
@example([make_packet(PacketCode.FULL, LENGTH_OF[PacketCode.FULL]) * 50])
def test_runs_of_one_code_and_all_other_messages_are_split_as_by_the_definition(messages: list[bytes]) -> None:
    counters = Counters()

    offsets = find_packets(messages, b"".join(messages), counters).tolist()

    slow_offsets, slow_counters = find_slowly(messages)
    assert offsets == slow_offsets
    assert asdict(counters) == asdict(slow_counters)
