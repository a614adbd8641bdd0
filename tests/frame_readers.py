"""Decoders for formats that the product only encodes: browser frames, and quote rows as values."""

import struct

import numpy as np

from marketdata.dhan.requests import MAX_CONNECTIONS
from marketdata.domain.feed import ConnectionMeasurements, DeliveryReading
from marketdata.domain.instruments import InstrumentKey
from marketdata.domain.quote_rows import FIELDS_OF, NEVER_HEARD, Known, Rows
from marketdata.domain.quotes import Depth, DepthLevel, Quote
from marketdata.streaming.details import DETAIL_ROW, DETAILS_VERSION
from marketdata.streaming.frames import (
    HEADER,
    WIRE_ROW,
    WIRE_VERSION,
    BrowserFrame,
    BrowserFrameKind,
)


def decode_browser_frame(payload: bytes) -> BrowserFrame:
    """Return the frame in `payload`; its rows are a read-only view."""
    version, kind, count, sequence, server_time_ms, epoch, age, *words = HEADER.unpack_from(payload)
    assert version == WIRE_VERSION
    assert len(payload) == HEADER.size + count * WIRE_ROW.itemsize
    return BrowserFrame(
        kind=BrowserFrameKind(kind),
        sequence=sequence,
        server_time_ms=int(server_time_ms),
        epoch=epoch,
        feed_age_ms=_milliseconds(age),
        rows=np.frombuffer(payload, dtype=WIRE_ROW, offset=HEADER.size),
        measurements={
            number: _measurements_of(*words[4 * number - 4 : 4 * number]) for number in range(1, MAX_CONNECTIONS + 1)
        },
    )


def decode_details(payload: bytes) -> Rows:
    """Return the rows of a frame of details; a read-only view."""
    version, _, count = struct.unpack_from("<BBH", payload)
    assert (version, len(payload)) == (DETAILS_VERSION, 16 + count * DETAIL_ROW.itemsize)
    return np.frombuffer(payload, dtype=DETAIL_ROW, offset=16)


def _measurements_of(packet_age_ms: int, received: int, due: int, trade_lag_ms: int) -> ConnectionMeasurements:
    """Return the measurements in four words; the condition of the delivery is not among them."""
    lag = _milliseconds(trade_lag_ms)
    reading = DeliveryReading(received=received, due=due)
    return ConnectionMeasurements(reading, _milliseconds(packet_age_ms), None if lag is None else lag / 1_000)


def _milliseconds(value: int) -> int | None:
    return None if value == NEVER_HEARD else value


def quote_of(row: np.void, key: InstrumentKey) -> Quote:
    """Return the quote of one row; unknown groups are None."""
    known = Known(int(row["known"]))
    fields: dict[str, int | float | Depth] = {}
    for group, names in FIELDS_OF.items():
        if group in known:
            fields |= {name: row[name].item() for name in names}
    if Known.DEPTH in known:
        one, two, three, four, five = (DepthLevel(*level.item()) for level in row["depth"])
        fields["depth"] = (one, two, three, four, five)
    return Quote(key, **fields)  # type: ignore[arg-type]  # Names and types are QUOTE_ROW's, checked by test.
