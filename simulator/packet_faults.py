"""Faults that alter packets: truncated, joined, oversized, unknown, duplicated, reordered, with invalid prices.

Takes the correct packets of one socket and yields the altered messages. A seeded generator decides per packet. An
oversized packet states its true length, so a reader can skip it. A truncated packet states the length before the cut
and is the last of its message, so the next message starts with a complete packet.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from random import Random
from typing import Final

from marketdata.dhan.packets import HEADER, PacketCode

PACKET_FAULTS: Final = frozenset(
    (
        "truncated",
        "concatenated",
        "oversized",
        "unknown_packets",
        "stacked",
        "nan_price",
        "zero_price",
        "negative_price",
        "ltt_zero",
        "duplicates",
        "out_of_order",
    )
)
MAX_PADDING_BYTES: Final = 32  # chosen: short and of any length
MAX_UNKNOWN_BYTES: Final = 64  # chosen: between a ticker (16) and a full packet (162)
# Codes seen by one client, of the old protocol, of other feeds, and undocumented ones.
UNKNOWN_CODES: Final = (0, 3, 9, 41, 51, 99, 255)

_PRICE = struct.Struct("<f")
_PRICE_AT = 8  # after the header (dhan/packets.py)
# Offset of the last trade time (dhan/packets.py).
_TIME_AT: Final = {PacketCode.TICKER: 12, PacketCode.QUOTE: 14, PacketCode.FULL: 14}
_NO_TIME = bytes(4)  # 0, as the broker sends for an instrument that never traded


class PacketFaults:
    """Alters the packets of one socket."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._dials: Mapping[str, float] = {}
        self._delayed: dict[bytes, bytes] = {}

    def messages(self, packets: Iterable[bytes], dials: Mapping[str, float]) -> Iterator[bytes]:
        """Yield the messages that `packets` become with these faults."""
        self._dials = dials
        stacked = int(dials.get("stacked", 1))
        message: list[bytes] = []
        for packet in packets:
            for one in self._around(self._altered(packet)):
                is_cut = self._hits("truncated")
                message.append(one[: self._random.randrange(1, len(one))] if is_cut else one)
                if is_cut or (len(message) >= stacked and not self._hits("concatenated")):
                    yield b"".join(message)
                    message = []
        if message:
            yield b"".join(message)

    def _hits(self, name: str) -> bool:
        share = self._dials.get(name)
        return share is not None and self._random.random() < share

    def _altered(self, packet: bytes) -> bytes:
        """Return `packet` with an altered price, time or length."""
        if (time_at := _TIME_AT.get(PacketCode(packet[0]))) is not None:
            (price,) = _PRICE.unpack_from(packet, _PRICE_AT)
            wrong = {"nan_price": float("nan"), "zero_price": 0.0, "negative_price": -price}
            for name, value in wrong.items():
                if self._hits(name):
                    packet = _put(packet, _PRICE_AT, _PRICE.pack(value))
            if self._hits("ltt_zero"):
                packet = _put(packet, time_at, _NO_TIME)
        if self._hits("oversized"):
            padded = packet + self._random.randbytes(self._random.randint(1, MAX_PADDING_BYTES))
            return _put(padded, 1, len(padded).to_bytes(2, "little"))
        return packet

    def _around(self, packet: bytes) -> Iterator[bytes]:
        """Yield `packet` with the packets around it, or delay it until the next packet of its instrument is sent."""
        if self._hits("unknown_packets"):
            yield self._unknown()
        instrument = packet[:1] + packet[3 : HEADER.size]
        # The key is kind and instrument: only packets that replace one another are reordered.
        older = self._delayed.pop(instrument, None)
        if older is None and self._hits("out_of_order"):
            self._delayed[instrument] = packet
            return
        yield packet
        if self._hits("duplicates"):
            yield packet
        if older is not None:
            yield older

    def _unknown(self) -> bytes:
        length = self._random.randint(HEADER.size, MAX_UNKNOWN_BYTES)
        head = HEADER.pack(self._random.choice(UNKNOWN_CODES), length, 0, 0)
        return head + self._random.randbytes(length - HEADER.size)


def _put(packet: bytes, at: int, value: bytes) -> bytes:
    return packet[:at] + value + packet[at + len(value) :]
