"""Quotes as packed rows, and the bus frame in which the owner of a connection publishes rows.

A row is the newest known state of one instrument; `Quote` is the same as a value. A frame is a header and rows.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from enum import IntEnum, IntFlag
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from marketdata.domain.feed import ConnectionMeasurements, Delivery, DeliveryReading
from marketdata.domain.quotes import Quote

DEPTH_LEVEL: Final = np.dtype(
    [
        ("bid_quantity", "<u4"),
        ("ask_quantity", "<u4"),
        ("bid_orders", "<u2"),
        ("ask_orders", "<u2"),
        ("bid_price", "<f4"),
        ("ask_price", "<f4"),
    ]
)

# 186 bytes, no padding. A change of this layout changes ROW_LAYOUT.
QUOTE_ROW: Final = np.dtype(
    [
        ("instrument_id", "<u4"),
        # Flags of the groups that have a value (`Known`): an unknown value is never shown as zero.
        ("known", "<u2"),
        ("segment", "u1"),  # the ExchangeSegment of the instrument
        # Aligns the next field to eight bytes.
        ("reserved", "u1"),
        # When the newest packet of this instrument arrived, true UTC epoch in milliseconds.
        ("received_at_ms", "<u8"),
        # Bytes 16 to 170 are the body of the broker's full packet, field by field: the most frequent update is a single
        # copy. That is why sell comes before buy, and close before high and low.
        ("ltp", "<f4"),
        # 16 bits on the wire: a trade of more than 65,535 units has a wrong value. Sums must use `volume`.
        ("ltq", "<u2"),
        ("ltt", "<u4"),
        ("average_price", "<f4"),
        # Part of that copy only: 32 bits, less than the volume of the day after a wrap. Readers use `volume`.
        ("wire_volume", "<u4"),
        ("total_sell_quantity", "<u4"),
        ("total_buy_quantity", "<u4"),
        ("oi", "<u4"),
        ("oi_day_high", "<u4"),
        ("oi_day_low", "<u4"),
        ("day_open", "<f4"),
        ("day_close", "<f4"),
        ("day_high", "<f4"),
        ("day_low", "<f4"),
        ("depth", DEPTH_LEVEL, (5,)),
        ("previous_close", "<f4"),
        ("previous_oi", "<u4"),
        # Cumulative for the day, unwrapped (`tick_rules.unwrap_volume`).
        ("volume", "<u8"),
    ]
)
ROW_LAYOUT: Final = 3
"""Version of QUOTE_ROW and of the header of a bus frame, in frames and in the last-value cache.

Rows of another version are refused, never read.
"""

Rows = npt.NDArray[np.void]


class Known(IntFlag):
    """Groups of fields of a row that have a value, and marks on its price."""

    TRADE = 1  # ltp, ltt
    DAY = 2  # ltq, average price, volume, totals, day open, close, high and low
    OI = 4
    OI_RANGE = 8
    DEPTH = 16
    PREVIOUS_CLOSE = 32
    SNAPSHOT = 64  # the price is of the broker's REST snapshot; no packet with a price has come since
    EARLIER = 128  # the price came on a former socket; none has come on this one
    SUSPECT = 256  # the newest price was rejected as invalid; the row has the one before
    DAY_CLOSE = 512  # previous_close is known, from the day's close field; previous_oi is not


# The previous close of a row is known if one of these is set. `tick_rules` decides which close stands for the day:
# readers must not fall back to `day_close`, which is another day's after midnight and today's after the session.
CLOSE_KNOWN: Final = Known.PREVIOUS_CLOSE | Known.DAY_CLOSE


def has_group(rows: Rows, group: Known) -> npt.NDArray[np.bool_]:
    """Return for each row whether it has one of the flags in `group`."""
    return np.asarray((rows["known"] & int(group)) != 0)


class FrameKind(IntEnum):
    """Contents of a frame."""

    CHANGES = 0  # rows that changed since the last sequence; a frame without rows is a heartbeat
    FULL = 1  # all rows of the connection; the answer to a request


@dataclass(frozen=True, slots=True)
class BusFrame:
    """The rows of one connection at one flush. `sequence` grows by one with each CHANGES frame of an epoch.

    A FULL frame has the sequence of the last CHANGES frame that it includes; it does not use up one.
    """

    kind: FrameKind
    connection: int
    epoch: int  # readers drop the frames of a lower epoch: they come from a former owner
    sequence: int  # a gap means a lost frame
    sent_at_ms: int
    rows: Rows
    measurements: ConnectionMeasurements = field(default_factory=ConnectionMeasurements)

    @property
    def delivery(self) -> Delivery:
        """How the packets of the connection arrive."""
        return self.measurements.delivery.condition


class FrameError(ValueError):
    """Bytes that are not a frame of this layout."""


class OtherLayout(FrameError):
    """A frame of a process with another ROW_LAYOUT, as during an upgrade."""


# Magic, kind, connection, delivery, 1 byte padding, epoch, sequence, sent_at_ms, number of rows, packet age in ms,
# packets received and due, trade lag in s. The magic ends with the version of the layout: a process of another version
# must not read rows of this one.
_HEADER = struct.Struct("<4sBBBxQQQIIIIf")
NEVER_HEARD: Final = 2**32 - 1  # The largest u32: an age of 49 days does not occur.
_MAGIC_NAME = b"BTQ"
_MAGIC = _MAGIC_NAME + str(ROW_LAYOUT).encode()


def encode_milliseconds(value: int | None) -> int:
    """Return a time in ms as a u32, at least 0; None is NEVER_HEARD."""
    return NEVER_HEARD if value is None else min(max(value, 0), NEVER_HEARD - 1)


def encode_frame(frame: BusFrame) -> bytes:
    """Return the bytes of `frame`: a 52-byte header and its rows."""
    measurements, reading = frame.measurements, frame.measurements.delivery
    lag = measurements.trade_lag_seconds
    header = _HEADER.pack(
        _MAGIC,
        frame.kind,
        frame.connection,
        frame.delivery,
        frame.epoch,
        frame.sequence,
        frame.sent_at_ms,
        len(frame.rows),
        encode_milliseconds(measurements.packet_age_ms),
        reading.received,
        reading.due,
        math.nan if lag is None else lag,
    )
    return header + frame.rows.tobytes()


def decode_frame(payload: bytes) -> BusFrame:
    """Return the frame in `payload`; its rows are a read-only view. Raises FrameError or OtherLayout."""
    if len(payload) < _HEADER.size:
        raise FrameError(f"{len(payload)} bytes are too short for a frame")
    magic, kind, connection, delivery, epoch, sequence, sent_at_ms, count, age, received, due, lag = (
        _HEADER.unpack_from(payload)
    )
    if magic != _MAGIC and magic.startswith(_MAGIC_NAME):
        raise OtherLayout(f"frame of row layout {magic[len(_MAGIC_NAME) :].decode(errors='replace')}, not {ROW_LAYOUT}")
    # The exact length, so that a truncated frame is never read as a shorter one.
    if magic != _MAGIC or kind > FrameKind.FULL or len(payload) != _HEADER.size + count * QUOTE_ROW.itemsize:
        raise FrameError("not a frame of this layout")
    rows = np.frombuffer(payload, dtype=QUOTE_ROW, offset=_HEADER.size)
    measurements = ConnectionMeasurements(
        DeliveryReading(Delivery.parse(delivery), received, due),
        packet_age_ms=None if age == NEVER_HEARD else age,
        trade_lag_seconds=None if math.isnan(lag) else lag,
    )
    return BusFrame(FrameKind(kind), connection, epoch, sequence, sent_at_ms, rows, measurements)


def rows_of(quotes: Mapping[int, Quote], *, received_at_ms: int) -> Rows:
    """Return the rows of quotes by instrument id. A group is known if all its fields are."""
    rows = np.zeros(len(quotes), dtype=QUOTE_ROW)
    for row, (instrument_id, quote) in zip(rows, quotes.items(), strict=True):
        row["instrument_id"], row["received_at_ms"] = instrument_id, received_at_ms
        row["segment"] = quote.key.segment
        for group, names in FIELDS_OF.items():
            values = {name: getattr(quote, name) for name in names}
            if None not in values.values():
                row["known"] |= group
                for name, value in values.items():
                    row[name] = _fitting(QUOTE_ROW[name], value)
        # A quote with previous_oi matches both groups of the previous close; the flags exclude each other.
        if row["known"] & Known.PREVIOUS_CLOSE:
            row["known"] &= ~np.uint16(Known.DAY_CLOSE)
        if quote.depth is not None:
            row["known"] |= Known.DEPTH
            row["depth"] = [
                tuple(_fitting(DEPTH_LEVEL[place], value) for place, value in enumerate(astuple(level)))
                for level in quote.depth
            ]
    return rows


def _fitting(dtype: "np.dtype[Any]", value: float) -> float:
    """Return a count clipped to the range of its field, as in the broker's packets; prices are returned unchanged."""
    # REST counts have no width. numpy refuses a value outside the range of a field.
    return min(max(value, 0), np.iinfo(dtype).max) if dtype.kind == "u" else value


FIELDS_OF: Final[dict[Known, tuple[str, ...]]] = {
    Known.TRADE: ("ltp", "ltt"),
    Known.DAY: (
        "ltq",
        "average_price",
        "volume",
        "total_sell_quantity",
        "total_buy_quantity",
        "day_open",
        "day_close",
        "day_high",
        "day_low",
    ),
    Known.OI: ("oi",),
    Known.OI_RANGE: ("oi_day_high", "oi_day_low"),
    Known.DAY_CLOSE: ("previous_close",),
    Known.PREVIOUS_CLOSE: ("previous_close", "previous_oi"),
}
