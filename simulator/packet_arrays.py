"""Encodes packets of many instruments at once: the broker's layouts as numpy records, with or without WebSocket frames.

The fast twin of `marketdata.dhan.packets.encode`; a property test shows that both agree. The body of a full packet is
also the state of an instrument in the market, so a packet is a header and one copy. Rows are copied as opaque bytes:
measured, a full packet assigned field by field costs eleven times as much.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from marketdata.dhan.packets import LENGTH_OF, PacketCode

Rows = npt.NDArray[np.intp]
Records = npt.NDArray[np.void]

LEVEL = np.dtype(
    [
        ("bid_quantity", "<u4"),
        ("ask_quantity", "<u4"),
        ("bid_orders", "<u2"),
        ("ask_orders", "<u2"),
        ("bid_price", "<f4"),
        ("ask_price", "<f4"),
    ]
)
# A full packet without its header.
BODY = np.dtype(
    [
        ("ltp", "<f4"),
        ("ltq", "<u2"),
        ("ltt", "<u4"),
        ("average_price", "<f4"),
        ("volume", "<u4"),
        ("total_sell_quantity", "<u4"),
        ("total_buy_quantity", "<u4"),
        ("oi", "<u4"),
        ("oi_day_high", "<u4"),
        ("oi_day_low", "<u4"),
        ("day_open", "<f4"),
        ("day_close", "<f4"),
        ("day_high", "<f4"),
        ("day_low", "<f4"),
        ("depth", LEVEL, (5,)),
    ]
)
# The same bytes as one value: numpy copies records with fields field by field.
OPAQUE_BODY = np.dtype(f"V{BODY.itemsize}")

# The instrument in the header.
HEAD = np.dtype([("segment", "u1"), ("security_id", "<u4")])

# Byte ranges of BODY that the shorter packets copy (dhan/packets.py).
_LAST = slice(0, 4)
_LAST_TRADE_TIME = slice(6, 10)
_QUOTE_FRONT = slice(0, 26)
_OI = slice(26, 30)
_QUOTE_BACK = slice(38, 54)
_CLOSE = slice(42, 46)

BINARY_FRAME = 0x82  # FIN and opcode 2 (RFC 6455, 5.2)
# Longest payload whose length fits the second byte of a frame (RFC 6455, 5.2).
SHORT_FRAME = 125


@dataclass(frozen=True, slots=True)
class PacketWriter:
    """Encodes the packets of rows of `heads` and `bodies`.

    With `framed`, each packet is a separate WebSocket message; otherwise packets are concatenated.
    """

    heads: Records
    bodies: Records
    framed: bool

    def tickers(self, rows: Rows) -> bytes:
        """Return a ticker packet for each row."""
        return self._packets(PacketCode.TICKER, rows, (_LAST, _LAST_TRADE_TIME)).tobytes()

    def previous_closes(self, rows: Rows) -> bytes:
        """Return a previous-close packet for each row, with open interest 0, as the broker sends it for indices."""
        return self._packets(PacketCode.PREVIOUS_CLOSE, rows, (_CLOSE,)).tobytes()

    def quotes(self, rows: Rows) -> bytes:
        """Return a quote packet for each row."""
        return self._packets(PacketCode.QUOTE, rows, (_QUOTE_FRONT, _QUOTE_BACK)).tobytes()

    def oi_and_quotes(self, rows: Rows) -> bytes:
        """Return an open-interest packet followed by a quote packet for each row."""
        oi = self._packets(PacketCode.OI, rows, (_OI,))
        quote = self._packets(PacketCode.QUOTE, rows, (_QUOTE_FRONT, _QUOTE_BACK))
        return np.concatenate((oi, quote), axis=1).tobytes()

    def fulls(self, rows: Rows) -> bytes:
        """Return a full packet for each row."""
        return self._packets(PacketCode.FULL, rows, (slice(0, BODY.itemsize),)).tobytes()

    def _packets(self, code: PacketCode, rows: Rows, parts: tuple[slice, ...]) -> npt.NDArray[np.uint8]:
        length = LENGTH_OF[code]
        prefix = frame_prefix(length) if self.framed else b""
        out = np.zeros((len(rows), len(prefix) + length), dtype=np.uint8)
        start = len(prefix)
        out[:, :start] = np.frombuffer(prefix, dtype=np.uint8)
        out[:, start] = code
        out[:, start + 1 : start + 3] = np.frombuffer(length.to_bytes(2, "little"), dtype=np.uint8)
        out[:, start + 3 : start + 8] = _as_bytes(self.heads[rows])
        # One opaque copy for each row; the parts are then slices of bytes.
        bodies = _as_bytes(self.bodies.view(OPAQUE_BODY)[rows])
        start += 8
        for part in parts:
            width = part.stop - part.start
            out[:, start : start + width] = bodies[:, part]
            start += width
        return out


def frame_prefix(length: int) -> bytes:
    """Return the header of an unmasked binary WebSocket frame of `length` bytes, below 64 KiB."""
    if length <= SHORT_FRAME:
        return bytes((BINARY_FRAME, length))
    return bytes((BINARY_FRAME, SHORT_FRAME + 1)) + length.to_bytes(2, "big")


def split(data: bytes, lengths: Sequence[int]) -> Iterator[bytes]:
    """Yield the packets of `data`, whose lengths repeat in the order of `lengths`."""
    start = 0
    while start < len(data):
        for length in lengths:
            yield data[start : start + length]
            start += length


def stack(data: bytes, lengths: Sequence[int], *, count: int) -> bytes:
    """Return the packets of `data`, whose lengths repeat, as WebSocket messages of `count` packets; the last has fewer.

    The fast twin of `PacketFaults.messages` with stacking alone: a step for each message, not for each packet.
    """
    groups, offsets = len(data) // sum(lengths), [0, *accumulate(lengths)]
    starts = (
        number // len(lengths) * offsets[-1] + offsets[number % len(lengths)]
        for number in range(0, groups * len(lengths), count)
    )
    return b"".join(frame_prefix(end - start) + data[start:end] for start, end in pairwise((*starts, len(data))))


def _as_bytes(records: Records) -> npt.NDArray[np.uint8]:
    return records.view(np.uint8).reshape(len(records), records.dtype.itemsize)
