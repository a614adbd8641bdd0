"""The browser's wire: rows of 48 bytes, the frames that carry them, and the codes that close a socket.

Theory of operation. A browser says what it watches; the first frame after that is a SNAPSHOT with a row of
everything watched, known or not, and replaces whatever the browser held. CHANGES frames follow, each with
the newest row of what changed since the frame before, so a row is never a difference and may be applied
alone. Sequence grows by one with every frame of an epoch; an epoch is one life of the web process's
mirror. A browser that sees a gap or another epoch asks for a resync and gets a SNAPSHOT.

Unknown is a missing flag, never a zero. Staleness is not in the row: a row names the connection it comes
from (0: none streams it), and the feed message says which connections are live. JavaScript twin:
`static/marketdata/frames.js`; both are held to the same bytes in `tests/data/browser_frames.json`.

    header, 24 bytes, little-endian           row, 48 bytes: see WIRE_ROW
     0 u8   version, 1                        16 u32 epoch
     1 u8   kind: 0 changes, 1 snapshot       20 u32 age in ms of the newest bus frame; NEVER_HEARD
     2 u16  rows
     4 u32  sequence
     8 f64  server time, true UTC epoch in ms
"""

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

import numpy as np
import numpy.typing as npt

from marketdata.domain.quote_rows import CLOSE_KNOWN, Known, Rows

WIRE_VERSION: Final = 1
NEVER_HEARD: Final = 2**32 - 1
NO_CONNECTION: Final = 0

WIRE_ROW: Final = np.dtype(
    [
        ("instrument_id", "<u4"),
        ("known", "<u2"),
        ("connection", "u1"),
        ("segment", "u1"),  # the ExchangeSegment; sessions differ by it
        ("ltp", "<f4"),
        ("previous_close", "<f4"),
        ("bid", "<f4"),
        ("ask", "<f4"),
        ("bid_quantity", "<u4"),
        ("ask_quantity", "<u4"),
        ("volume", "<u4"),
        ("oi", "<u4"),
        # The broker's seconds: IST wall clock written as if UTC.
        ("ltt", "<u4"),
        # How old the newest packet of this instrument was when the frame was made.
        ("age_ms", "<u4"),
    ]
)
"""48 bytes, no padding, prices in rupees as received."""

WireRows = npt.NDArray[np.void]


class Shown(IntFlag):
    """Fields of a wire row that mean anything."""

    LTP = 1  # ltp, ltt
    VOLUME = 2
    OI = 4
    PREVIOUS_CLOSE = 8
    BID = 16  # bid, bid_quantity
    ASK = 32  # ask, ask_quantity
    SEEDED = 64  # from the broker's REST snapshot; no packet has come since
    SUSPECT = 128  # the newest price was impossible; this is the one before


class BrowserFrameKind(IntEnum):
    """What the rows of a browser frame are."""

    CHANGES = 0
    SNAPSHOT = 1


class CloseCode(IntEnum):
    """Why the server closes a browser socket.

    4400 to 4407: do not come back, the same would happen again. 4408 to 4499: come back, after a pause
    with jitter. Standard codes (1001 going away, 1006 lost, 1011 server error, 1012 restart, 1013 no room): come back.
    """

    BAD_CLIENT = 4400  # messages too large or in no language we speak
    LOGIN_REQUIRED = 4401  # nobody is logged in, or no longer
    SLOW = 4408  # nothing acknowledged for 15 s: asleep, frozen or cut off
    FAILED = 4409  # a fault of ours while serving this socket

    @property
    def may_come_back(self) -> bool:
        """Whether the client should try again by itself."""
        return self >= 4408


@dataclass(frozen=True, slots=True)
class BrowserFrame:
    """One frame as values; the readable side of the wire."""

    kind: BrowserFrameKind
    sequence: int
    server_time_ms: int
    epoch: int
    feed_age_ms: int | None
    rows: WireRows


class BrowserFrameError(ValueError):
    """Bytes that are no frame of this wire."""


_HEADER: Final = struct.Struct("<BBHIdII")
MAX_ROWS: Final = 2**16 - 1


def encode_browser_frame(frame: BrowserFrame) -> bytes:
    """Return the bytes of `frame`."""
    age = NEVER_HEARD if frame.feed_age_ms is None else min(frame.feed_age_ms, NEVER_HEARD - 1)
    header = _HEADER.pack(
        WIRE_VERSION, frame.kind, len(frame.rows), frame.sequence, float(frame.server_time_ms), frame.epoch, age
    )
    return header + frame.rows.tobytes()


def decode_browser_frame(payload: bytes) -> BrowserFrame:
    """Return the frame in `payload`; its rows are a read-only view. Raises BrowserFrameError."""
    if len(payload) < _HEADER.size:
        raise BrowserFrameError(f"{len(payload)} bytes are no frame")
    version, kind, count, sequence, server_time_ms, epoch, age = _HEADER.unpack_from(payload)
    if version != WIRE_VERSION or kind > 1 or len(payload) != _HEADER.size + count * WIRE_ROW.itemsize:
        raise BrowserFrameError("not a frame of this wire")
    return BrowserFrame(
        kind=BrowserFrameKind(kind),
        sequence=sequence,
        server_time_ms=int(server_time_ms),
        epoch=epoch,
        feed_age_ms=None if age == NEVER_HEARD else age,
        rows=np.frombuffer(payload, dtype=WIRE_ROW, offset=_HEADER.size),
    )


def wire_rows(rows: Rows, *, connection: int) -> WireRows:
    """Return what the browser shows of bus rows; `age_ms` is left at 0 until a frame is made.

    A price that is not positive is nobody's price: there is no such bid, ask or trade.
    """
    shown = np.zeros(len(rows), dtype=WIRE_ROW)
    shown["instrument_id"] = rows["instrument_id"]
    shown["segment"] = rows["segment"]
    # A price of a former socket is streamed by none until one comes on this one.
    shown["connection"] = np.where(_has(rows, Known.EARLIER), NO_CONNECTION, connection)
    best = rows["depth"][:, 0]
    previous = rows["previous_close"]
    _show(shown, Shown.LTP, _has(rows, Known.TRADE) & _is_price(rows["ltp"]), ltp=rows["ltp"], ltt=rows["ltt"])
    _show(shown, Shown.PREVIOUS_CLOSE, _has(rows, CLOSE_KNOWN) & _is_price(previous), previous_close=previous)
    _show(shown, Shown.VOLUME, _has(rows, Known.DAY), volume=rows["volume"])
    _show(shown, Shown.OI, _has(rows, Known.OI), oi=rows["oi"])
    has_depth = _has(rows, Known.DEPTH)
    bids, asks = best["bid_price"], best["ask_price"]
    _show(shown, Shown.BID, has_depth & _is_price(bids), bid=bids, bid_quantity=best["bid_quantity"])
    _show(shown, Shown.ASK, has_depth & _is_price(asks), ask=asks, ask_quantity=best["ask_quantity"])
    _show(shown, Shown.SEEDED, _has(rows, Known.SNAPSHOT))
    _show(shown, Shown.SUSPECT, _has(rows, Known.SUSPECT))
    return shown


def _has(rows: Rows, group: Known) -> npt.NDArray[np.bool_]:
    return np.asarray((rows["known"] & int(group)) != 0)


def _is_price(prices: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(prices) & (prices > 0))


def _show(shown: WireRows, flag: Shown, is_known: npt.NDArray[np.bool_], **columns: npt.NDArray[np.generic]) -> None:
    shown["known"] |= np.where(is_known, int(flag), 0).astype("<u2")
    for name, values in columns.items():
        shown[name] = np.where(is_known, values, 0)
