"""Writer of the packets of one flush into quote rows: one method per packet code, without a loop over packets."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from marketdata.dhan.packets import FULL, HEADER, QUOTE, PacketCode
from marketdata.domain.quote_rows import QUOTE_ROW, Known, Rows

_FULL_BODY: Final = FULL.size - HEADER.size
_QUOTE_BODY: Final = QUOTE.size - HEADER.size
_TRADE_PART: Final = 26  # of a quote's body: LTP to total buy quantity, laid out as in a full packet
_BODY_START: Final = 16  # where a row's bytes begin to be a full packet's body
_DAY_PART_START: Final = _BODY_START + 38  # where a row holds open, close, high, low

_PRICE_MARKS: Final = np.uint16(Known.SNAPSHOT | Known.EARLIER | Known.SUSPECT)
# As numbers: combining flags of an enumeration takes as long as a copy of twenty packets.
_TICKER_KNOWS: Final = np.uint16(Known.TRADE)
_OI_KNOWS: Final = np.uint16(Known.OI)
_QUOTE_KNOWS: Final = np.uint16(Known.TRADE | Known.DAY)
_FULL_KNOWS: Final = np.uint16(Known.TRADE | Known.DAY | Known.OI | Known.OI_RANGE | Known.DEPTH)

_Integers = npt.NDArray[np.int64]


class RowWriter:
    """Writes the packets of one flush into the rows, one method per packet code."""

    __slots__ = ("_buffer", "_received_at_ms", "_rows")

    def __init__(self, rows: Rows, buffer: bytes, received_at_ms: int) -> None:
        self._rows = rows
        self._buffer = buffer
        self._received_at_ms = received_at_ms

    def stamp(self, slots: _Integers) -> None:
        self._rows["received_at_ms"][slots] = self._received_at_ms

    # Where a slot repeats, numpy keeps the last assignment: packets are in arrival order.

    def write_full(self, slots: _Integers, at: _Integers, newest: _Integers) -> None:
        body = sliding(self._buffer, f"V{_FULL_BODY}", HEADER.size)
        opaque(self._rows, _BODY_START, _FULL_BODY)[slots] = body[at]
        self._learn_price(slots, _FULL_KNOWS)
        newest[slots] = at

    def write_oi(self, slots: _Integers, at: _Integers, newest: _Integers) -> None:
        slots, at = _later(slots, at, newest)
        self._rows["oi"][slots] = sliding(self._buffer, "<u4", 8)[at]
        self._rows["known"][slots] |= _OI_KNOWS

    def write_quote(self, slots: _Integers, at: _Integers, newest: _Integers) -> None:
        slots, at = _later(slots, at, newest)
        opaque(self._rows, _BODY_START, _TRADE_PART)[slots] = sliding(self._buffer, f"V{_TRADE_PART}", HEADER.size)[at]
        # Two copies: up to total buy the bodies of quote and full are alike. Then a full packet has three fields of
        # open interest, so open, close, high and low are 12 bytes further in a row.
        rest = _QUOTE_BODY - _TRADE_PART
        opaque(self._rows, _DAY_PART_START, rest)[slots] = sliding(self._buffer, f"V{rest}", HEADER.size + _TRADE_PART)[
            at
        ]
        self._learn_price(slots, _QUOTE_KNOWS)
        newest[slots] = at

    def write_ticker(self, slots: _Integers, at: _Integers, newest: _Integers) -> None:
        slots, at = _later(slots, at, newest)
        self._rows["ltp"][slots] = sliding(self._buffer, "<f4", 8)[at]
        self._rows["ltt"][slots] = sliding(self._buffer, "<u4", 12)[at]
        self._learn_price(slots, _TICKER_KNOWS)
        newest[slots] = at

    def _learn_price(self, slots: _Integers, groups: np.uint16) -> None:
        known = self._rows["known"]
        # A new price of this socket is neither a snapshot's, nor a former one's, nor suspect.
        known[slots] = known[slots] & ~_PRICE_MARKS | groups


WRITERS: Final = (
    (int(PacketCode.FULL), RowWriter.write_full),
    # Directly after FULL: `newest` has only full packets then. After QUOTE, an OI packet would be dropped for the quote
    # that follows it, and that is the order in which the broker sends them (docs/dhan.md).
    (int(PacketCode.OI), RowWriter.write_oi),
    (int(PacketCode.QUOTE), RowWriter.write_quote),
    # An index packet is read as a ticker: its layout is not documented, one source says so.
    (int(PacketCode.INDEX), RowWriter.write_ticker),
    (int(PacketCode.TICKER), RowWriter.write_ticker),
)
IS_TICK: Final = np.zeros(256, dtype=np.bool_)
IS_TICK[[PacketCode.PREVIOUS_CLOSE, *(code for code, _ in WRITERS)]] = True


def sliding(buffer: bytes, kind: str, start: int) -> npt.NDArray[Any]:
    """Return a view whose element i is the `kind` at byte `start + i` of `buffer`; nothing is copied."""
    dtype = np.dtype(kind)
    # A stride of one byte: the elements overlap, so that each offset can be used as an index, aligned or not.
    count = len(buffer) - start - dtype.itemsize + 1
    return np.ndarray(shape=(count,), dtype=dtype, buffer=buffer, offset=start, strides=(1,))


def opaque(rows: Rows, start: int, size: int) -> npt.NDArray[np.void]:
    """Return a view of `size` bytes of each row, as one opaque value each."""
    # numpy assigns structured rows field by field: 11x slower for full packets (benchmarks/bench_quote_table.py). A
    # void value is one block of memory, copied at once.
    return np.ndarray(shape=(len(rows),), dtype=f"V{size}", buffer=rows, offset=start, strides=(QUOTE_ROW.itemsize,))


def _later(slots: _Integers, at: _Integers, newest: _Integers) -> tuple[_Integers, _Integers]:
    """Return the packets that came after the newest packet that writes more fields of the same row."""
    # Offsets in the joined buffer are the order of arrival.
    keep = at > newest[slots]
    return slots[keep], at[keep]
