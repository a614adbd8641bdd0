"""Binary packets of the DhanHQ v2 live feed: layouts once, readable decode and encode.

A WebSocket message contains one or more packets without separators. The layouts are those of
https://dhanhq.co/docs/v2/live-market-feed/ (offsets there count from 1), checked against the official SDK 2.3.0 and
against published packets of 2025 and 2026.

This module is the definition; `quote_table` is the fast twin and must agree with it. `decode` reads one packet, `split`
a message. The effect of a packet on a quote is defined in `marketdata.domain.tick_rules`.
"""

import struct
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from enum import IntEnum

from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import DepthLevel, FullTick, OiTick, PreviousCloseTick, QuoteTick, Tick, TickerTick


class PacketCode(IntEnum):
    """First byte of a packet."""

    INDEX = 1  # In the annexure without a layout; one client project reads it as a ticker packet.
    TICKER = 2
    QUOTE = 4
    OI = 5
    PREVIOUS_CLOSE = 6
    MARKET_STATUS = 7
    FULL = 8
    DISCONNECT = 50


# Field order as in the broker's tables. Two traps, verified on packets and in the SDK: quote and full packets have the
# close before high and low, and the sell before the buy quantity.
# Code, length including the header, segment, security id (the broker's pages say i32, its SDK reads u32). "<" also
# turns off padding: with native alignment the header would have 12 bytes.
HEADER = struct.Struct("<BHBI")
# LTP, LTT.
TICKER = struct.Struct("<BHBIfI")
# Close, open interest.
PREVIOUS_CLOSE = struct.Struct("<BHBIfI")
OI = struct.Struct("<BHBII")
# LTP, LTQ, LTT, average price, volume, total sell, total buy, open, close, high, low. LTQ has 16 bits: larger trades
# arrive with a wrong quantity.
QUOTE = struct.Struct("<BHBIfHIfIIIffff")
# As QUOTE up to total buy; then OI, its day high and low; open, close, high, low; five levels, best first, each with
# bid quantity, ask quantity, bid orders, ask orders, bid price, ask price.
FULL = struct.Struct("<BHBIfHIfIIIIIIffff" + "IIHHff" * 5)
DISCONNECT = struct.Struct("<BHBIH")

LENGTH_OF: dict[PacketCode, int] = {
    PacketCode.INDEX: TICKER.size,
    PacketCode.TICKER: TICKER.size,
    PacketCode.QUOTE: QUOTE.size,
    PacketCode.OI: OI.size,
    PacketCode.PREVIOUS_CLOSE: PREVIOUS_CLOSE.size,
    PacketCode.MARKET_STATUS: HEADER.size,
    PacketCode.FULL: FULL.size,
    PacketCode.DISCONNECT: DISCONNECT.size,
}

_LAYOUT_OF: dict[type[Tick], tuple[PacketCode, struct.Struct]] = {
    TickerTick: (PacketCode.TICKER, TICKER),
    PreviousCloseTick: (PacketCode.PREVIOUS_CLOSE, PREVIOUS_CLOSE),
    OiTick: (PacketCode.OI, OI),
    QuoteTick: (PacketCode.QUOTE, QUOTE),
    FullTick: (PacketCode.FULL, FULL),
}

# IST is UTC+5:30. LTT is the IST wall clock written as an epoch as if IST were UTC: true epoch = LTT - this (verified
# on packets with a known time of receipt; docs/dhan.md).
IST_OFFSET_SECONDS = 19_800


class DecodeError(ValueError):
    """Bytes that are not a packet; `offset` is the start of the bad packet in the message."""

    def __init__(self, reason: str, *, offset: int = 0) -> None:
        super().__init__(f"{reason} at offset {offset}")
        self.reason = reason
        self.offset = offset


@dataclass(frozen=True, slots=True)
class MarketStatus:
    """A packet of code 7. Its meaning is not documented; no code derives anything from it."""


@dataclass(frozen=True, slots=True)
class DisconnectPacket:
    """The broker closes this socket next; `reason` is one of the 8xx codes of `disconnects`."""

    reason: int


Packet = Tick | MarketStatus | DisconnectPacket


def split(message: bytes) -> Iterator[bytes]:
    """Yield the packets of one WebSocket message, unknown codes included.

    Raises DecodeError, with the offset, at a truncated header or an inconsistent length, after the packets before it
    were yielded.
    """
    offset = 0
    while offset < len(message):
        if len(message) - offset < HEADER.size:
            raise DecodeError("header cut off", offset=offset)
        length = HEADER.unpack_from(message, offset)[1]
        # A length of 0 would make this loop endless.
        if length < HEADER.size:
            raise DecodeError(f"length {length} is below the header's", offset=offset)
        if offset + length > len(message):
            raise DecodeError("packet cut off", offset=offset)
        yield message[offset : offset + length]
        offset += length


def decode(packet: bytes) -> Packet:
    """Return the content of one packet. Raises DecodeError for an unknown code or segment, or a wrong length."""
    if len(packet) < HEADER.size:
        raise DecodeError("header cut off")
    raw_code, length, raw_segment, security_id = HEADER.unpack_from(packet)
    code = _code(raw_code)
    # Two checks: the length that the packet states, and the bytes that are there.
    if length != LENGTH_OF[code] or len(packet) != length:
        raise DecodeError(f"{code.name} packet of {len(packet)} bytes says {length}, should be {LENGTH_OF[code]}")
    if code is PacketCode.DISCONNECT:
        return DisconnectPacket(reason=DISCONNECT.unpack(packet)[4])
    # No layout beyond the header is documented; the SDK prints "Markets Open" for every packet of this code.
    if code is PacketCode.MARKET_STATUS:
        return MarketStatus()
    return decode_tick(code, InstrumentKey(_segment(raw_segment), security_id), packet)


def encode(packet: Packet) -> bytes:
    """Return `packet` as the broker sends it."""
    # Packets about the connection have no instrument: segment and id are 0.
    if isinstance(packet, MarketStatus):
        return HEADER.pack(PacketCode.MARKET_STATUS, HEADER.size, 0, 0)
    if isinstance(packet, DisconnectPacket):
        return DISCONNECT.pack(PacketCode.DISCONNECT, DISCONNECT.size, 0, 0, packet.reason)
    code, layout = _LAYOUT_OF[type(packet)]
    # The fields of a tick after its key are in the order of the layout; the last one of a full tick is the depth.
    values = [getattr(packet, name) for name in packet.__slots__ if name != "key"]
    if isinstance(packet, FullTick):
        values[-1:] = [value for level in packet.depth for value in astuple(level)]
    return layout.pack(code, layout.size, packet.key.segment, packet.key.security_id, *values)


def _code(raw: int) -> PacketCode:
    try:
        return PacketCode(raw)
    except ValueError:
        raise DecodeError(f"unknown code {raw}") from None


def _segment(raw: int) -> ExchangeSegment:
    try:
        return ExchangeSegment(raw)
    except ValueError:
        raise DecodeError(f"unknown exchange segment {raw}") from None


def decode_tick(code: PacketCode, key: InstrumentKey, packet: bytes) -> Tick:
    """Return the tick in `packet`, whose header was read already: right length, and the code of a tick."""
    if code is PacketCode.FULL:
        return _decode_full(key, packet)
    # [4:] skips the four fields of the header. The rest is in the order of the fields of the tick classes.
    if code is PacketCode.QUOTE:
        return QuoteTick(key, *QUOTE.unpack(packet)[4:])
    if code is PacketCode.OI:
        return OiTick(key, OI.unpack(packet)[4])
    if code is PacketCode.PREVIOUS_CLOSE:
        return PreviousCloseTick(key, *PREVIOUS_CLOSE.unpack(packet)[4:])
    return TickerTick(key, *TICKER.unpack(packet)[4:])


def _decode_full(key: InstrumentKey, packet: bytes) -> FullTick:
    fields = FULL.unpack(packet)
    # Fields 0 to 3 are the header, 4 to 17 the values, 18 to 47 the depth: five levels of six fields.
    one, two, three, four, five = (DepthLevel(*fields[start : start + 6]) for start in range(18, 48, 6))
    values = (*fields[4:18], (one, two, three, four, five))
    return FullTick(key, *values)
