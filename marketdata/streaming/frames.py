"""The binary browser wire: rows of 52 bytes, the frames that carry them, and the close codes of a socket.

Theory of operation. After a browser changes its watched set, the next frame is a SNAPSHOT: one row of every watched
instrument, known or unknown, which replaces the browser's state. CHANGES frames follow, each with the newest row of
every instrument that changed since the previous frame. A row is whole, never a difference, so it can be applied alone.
The sequence grows by one with every frame of an epoch; an epoch is one run of the web process. After a gap or a new
epoch, the browser requests a resync and gets a SNAPSHOT.

An unknown field has no flag and is never shown as zero. Staleness is not part of a row: the row names its connection
(0: no connection streams it), and the `feed` message states which connections are live. The JavaScript twin is
`static/marketdata/frames.js`; both are tested with the bytes in `tests/data/browser_frames.json`.

    header, 104 bytes, little-endian          row, 52 bytes: see WIRE_ROW
     0 u8   version, 3                        16 u32 epoch
     1 u8   kind: 0 changes, 1 snapshot       20 u32 age in ms of the newest bus frame; NEVER_HEARD
     2 u16  rows                              24 of each connection, 1 to 5, four u32:
     4 u32  sequence                             ms since its last packet; NEVER_HEARD
     8 f64  server time, true UTC epoch in ms    packets received in the last 10 s, packets due in 10 s
                                                 trade lag in ms, 0 where trades arrive early; NEVER_HEARD
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from itertools import chain
from typing import Final

import numpy as np
import numpy.typing as npt

from marketdata.dhan.requests import MAX_CONNECTIONS
from marketdata.domain.feed import ConnectionMeasurements
from marketdata.domain.quote_rows import CLOSE_KNOWN, Known, Rows, encode_milliseconds, has_group

# 2: volume has 64 bits. 3: measurements of the connections. A browser rejects frames of any other version.
WIRE_VERSION: Final = 3

NO_CONNECTION: Final = 0  # Connections are numbered from 1.

WIRE_ROW: Final = np.dtype(
    [
        ("instrument_id", "<u4"),
        ("known", "<u2"),
        ("connection", "u1"),
        ("segment", "u1"),  # the ExchangeSegment, for the market sessions
        ("ltp", "<f4"),
        ("previous_close", "<f4"),
        ("bid", "<f4"),
        ("ask", "<f4"),
        ("bid_quantity", "<u4"),
        ("ask_quantity", "<u4"),
        # 64 bits: the day's volume exceeds 32 where lots are large. A browser reads it exactly up to 2**53.
        ("volume", "<u8"),
        ("oi", "<u4"),
        # Seconds as the broker sends them: IST wall clock, encoded as if it were UTC.
        ("ltt", "<u4"),
        # Age of the newest packet of this instrument when the frame was encoded.
        ("age_ms", "<u4"),
    ]
)
"""52 bytes, no padding, prices in rupees as received."""

WireRows = npt.NDArray[np.void]


class Shown(IntFlag):
    """Flags of the known fields of a wire row."""

    LTP = 1  # ltp, ltt
    VOLUME = 2
    OI = 4
    PREVIOUS_CLOSE = 8
    BID = 16  # bid, bid_quantity
    ASK = 32  # ask, ask_quantity
    SEEDED = 64  # from the broker's REST snapshot, without a packet since
    SUSPECT = 128  # the newest price was rejected as invalid; this is the previous one


class BrowserFrameKind(IntEnum):
    """Meaning of the rows of a browser frame."""

    CHANGES = 0
    SNAPSHOT = 1


class CloseCode(IntEnum):
    """Reason for which the server closes a browser socket.

    4400 to 4407: do not reconnect, the next attempt would fail alike. 4408 to 4499: reconnect after a backoff with
    jitter. Standard codes (1001 going away, 1006 lost, 1011 server error, 1012 restart, 1013 overloaded): reconnect.
    """

    BAD_CLIENT = 4400  # oversized or undecodable messages
    LOGIN_REQUIRED = 4401  # not logged in, or the login has ended
    SLOW = 4408  # no acknowledgement for 15 s: asleep, frozen or disconnected
    FAILED = 4409  # an error in the server while serving this socket


@dataclass(frozen=True, slots=True)
class BrowserFrame:
    """One decoded frame."""

    kind: BrowserFrameKind
    sequence: int
    server_time_ms: int
    epoch: int
    feed_age_ms: int | None
    rows: WireRows
    measurements: Mapping[int, ConnectionMeasurements] = field(
        default_factory=dict
    )  # by connection, aged to the server time


HEADER: Final = struct.Struct(f"<BBHIdII{4 * MAX_CONNECTIONS}I")
# The two parts of the header: of the one frame, and of the feed, the same for all browsers.
_HEAD: Final = struct.Struct("<BBHIdI")
_STATUS: Final = struct.Struct(f"<I{4 * MAX_CONNECTIONS}I")


def encode_browser_frame(frame: BrowserFrame) -> bytes:
    """Return `frame` encoded: header and rows."""
    return join_browser_frame(
        frame.kind,
        sequence=frame.sequence,
        server_time_ms=frame.server_time_ms,
        epoch=frame.epoch,
        status=encode_status(frame.feed_age_ms, frame.measurements),
        rows=frame.rows.tobytes(),
    )


def encode_status(feed_age_ms: int | None, measurements: Mapping[int, ConnectionMeasurements]) -> bytes:
    """Return the part of the header that all frames of one instant share."""
    known = (measurements.get(number, ConnectionMeasurements()) for number in range(1, MAX_CONNECTIONS + 1))
    words = chain.from_iterable(map(_measurements_in_words, known))
    return _STATUS.pack(encode_milliseconds(feed_age_ms), *words)


def join_browser_frame(
    kind: BrowserFrameKind, *, sequence: int, server_time_ms: int, epoch: int, status: bytes, rows: bytes
) -> bytes:
    """Return a frame of encoded `rows`, with the `status` of `encode_status`."""
    count = len(rows) // WIRE_ROW.itemsize
    return _HEAD.pack(WIRE_VERSION, kind, count, sequence, float(server_time_ms), epoch) + status + rows


def _measurements_in_words(measurements: ConnectionMeasurements) -> tuple[int, int, int, int]:
    lag, reading = measurements.trade_lag_seconds, measurements.delivery
    lag_ms = encode_milliseconds(None if lag is None else round(lag * 1_000))
    return encode_milliseconds(measurements.packet_age_ms), reading.received, reading.due, lag_ms


def wire_rows(rows: Rows, *, connection: int) -> WireRows:
    """Return what the browser shows of bus rows; `age_ms` is left at 0 until a frame is made.

    A price that is not positive is nobody's price: there is no such bid, ask or trade.
    """
    shown = np.zeros(len(rows), dtype=WIRE_ROW)
    shown["instrument_id"] = rows["instrument_id"]
    shown["segment"] = rows["segment"]
    # A price of a former socket counts as not streamed until this socket brings one.
    shown["connection"] = np.where(has_group(rows, Known.EARLIER), NO_CONNECTION, connection)
    # Of the five levels of the depth browsers show the best one; the others would triple the row.
    best = rows["depth"][:, 0]
    previous = rows["previous_close"]
    _show(shown, Shown.LTP, has_group(rows, Known.TRADE) & _is_price(rows["ltp"]), ltp=rows["ltp"], ltt=rows["ltt"])
    _show(shown, Shown.PREVIOUS_CLOSE, has_group(rows, CLOSE_KNOWN) & _is_price(previous), previous_close=previous)
    _show(shown, Shown.VOLUME, has_group(rows, Known.DAY), volume=rows["volume"])
    _show(shown, Shown.OI, has_group(rows, Known.OI), oi=rows["oi"])
    has_depth = has_group(rows, Known.DEPTH)
    bids, asks = best["bid_price"], best["ask_price"]
    _show(shown, Shown.BID, has_depth & _is_price(bids), bid=bids, bid_quantity=best["bid_quantity"])
    _show(shown, Shown.ASK, has_depth & _is_price(asks), ask=asks, ask_quantity=best["ask_quantity"])
    _show(shown, Shown.SEEDED, has_group(rows, Known.SNAPSHOT))
    _show(shown, Shown.SUSPECT, has_group(rows, Known.SUSPECT))
    return shown


def _is_price(prices: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(prices) & (prices > 0))


def _show(shown: WireRows, flag: Shown, is_known: npt.NDArray[np.bool_], **columns: npt.NDArray[np.generic]) -> None:
    shown["known"] |= np.where(is_known, int(flag), 0).astype("<u2")
    for name, values in columns.items():
        shown[name] = np.where(is_known, values, 0)
