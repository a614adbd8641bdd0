"""Analytics of options and series as packed rows, and the bus frame in which the analytics worker publishes them.

Analytics are rounded to what a screen shows (docs/analytics.md), so that a row is published only when it reads
differently. NaN is unknown, never zero.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from marketdata.domain.analytics.black76 import Floats
from marketdata.domain.quote_rows import FrameError, FrameKind, OtherLayout


class OiSource(IntEnum):
    """Source of the open interest that a change counts from. The names are published in lower case."""

    NONE = 0
    RECORD = 1  # our own record of the close
    BROKER = 2  # the broker's option chain


OPTION_ROW: Final = np.dtype(
    [
        ("instrument_id", "<u4"),
        ("reason", "u1"),  # IvReason
        ("build_up", "u1"),  # BuildUp
        ("oi_change_source", "u1"),  # OiSource
        ("reserved", "u1"),
        ("iv", "<f4"),  # percent
        ("delta", "<f4"),
        ("gamma", "<f4"),
        ("theta", "<f4"),  # rupees per trading day
        ("vega", "<f4"),  # rupees per percentage point
        ("intrinsic", "<f4"),  # rupees
        ("time_value", "<f4"),  # rupees
        ("oi_change", "<f8"),  # units
    ]
)
"""44 bytes, no padding. A change of these layouts changes LAYOUT."""

SERIES_FIELDS: Final = (
    "forward",
    "atm_strike",
    "atm_iv",  # percent
    "straddle",
    "expected_move",  # percent
    "pcr_oi",
    "pcr_volume",
    "max_pain",
    "ce_oi",
    "pe_oi",
    "ce_oi_change",
    "pe_oi_change",
    "resistance",
    "support",
    "skew",  # percentage points
)
SERIES_ROW: Final = np.dtype(
    [
        # The least instrument id of the options of the series: no other series has it.
        ("series_id", "<u4"),
        ("strikes_counted", "<u2"),
        ("strikes_listed", "<u2"),
        *((name, "<f8") for name in SERIES_FIELDS),
        ("rate", "<f8"),  # percent per year
        ("as_of_ms", "<u8"),  # true UTC epoch, of the prices
        ("chain_at_ms", "<u8"),  # of the broker's chain, which has the strikes that do not stream; 0 without one
    ]
)
LAYOUT: Final = 2
"""Version of both rows and of the frame. Rows of another version are refused, never read."""

DECIMALS: Final = {"iv": 2, "delta": 3, "theta": 2, "vega": 2, "intrinsic": 2, "time_value": 2}
"""Of the fields of OPTION_ROW; `gamma` has GAMMA_DIGITS significant ones."""
GAMMA_DIGITS: Final = 4
SERIES_DECIMALS: Final = {
    **dict.fromkeys(("forward", "straddle", "atm_iv", "skew", "pcr_oi", "pcr_volume"), 2),
    "expected_move": 3,
}

Rows = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class DerivedFrame:
    """Analytics that changed at one flush. `epoch` and `sequence` have the meaning of those of a `BusFrame`."""

    kind: FrameKind
    epoch: int
    sequence: int
    sent_at_ms: int
    options: Rows
    series: Rows


_HEADER: Final = struct.Struct("<4sBxxxQQQII")
_MAGIC_NAME: Final = b"BTA"
_MAGIC: Final = _MAGIC_NAME + str(LAYOUT).encode()


def encode_derived(frame: DerivedFrame) -> bytes:
    """Return the bytes of `frame`: header, rows of options, rows of series."""
    header = _HEADER.pack(
        _MAGIC,
        frame.kind,
        frame.epoch,
        frame.sequence,
        frame.sent_at_ms,
        len(frame.options),
        len(frame.series),
    )
    return header + frame.options.tobytes() + frame.series.tobytes()


def decode_derived(payload: bytes) -> DerivedFrame:
    """Return the frame in `payload`; its rows are read-only views. Raises FrameError or OtherLayout."""
    if len(payload) < _HEADER.size:
        raise FrameError(f"{len(payload)} bytes are too short for a frame of analytics")
    magic, kind, epoch, sequence, sent_at_ms, options, series = _HEADER.unpack_from(payload)
    if magic != _MAGIC and magic.startswith(_MAGIC_NAME):
        raise OtherLayout(f"analytics of layout {magic[len(_MAGIC_NAME) :].decode(errors='replace')}, not {LAYOUT}")
    size = _HEADER.size + options * OPTION_ROW.itemsize + series * SERIES_ROW.itemsize
    # The exact length, so that a truncated frame is never read as a shorter one.
    if magic != _MAGIC or kind > FrameKind.FULL or len(payload) != size:
        raise FrameError("not a frame of analytics")
    return DerivedFrame(
        FrameKind(kind),
        epoch,
        sequence,
        sent_at_ms,
        np.frombuffer(payload, OPTION_ROW, count=options, offset=_HEADER.size),
        np.frombuffer(payload, SERIES_ROW, offset=_HEADER.size + options * OPTION_ROW.itemsize),
    )


def round_significant(values: Floats, digits: int) -> Floats:
    """Return `values` with `digits` significant digits; NaN and 0 stay."""
    with np.errstate(divide="ignore"):
        exponent = np.floor(np.log10(np.abs(values)))
    factor = 10.0 ** (digits - 1 - np.where(np.isfinite(exponent), exponent, 0))
    return np.asarray(np.round(values * factor) / factor)


def differs(rows: Rows, before: Rows) -> npt.NDArray[np.bool_]:
    """Return for each row whether one of its bytes is another than in `before`; NaN equals NaN."""
    # As 32-bit words: one comparison instead of one for each field. Both layouts are whole words.
    words: Any = rows.view("<u4").reshape(len(rows), rows.dtype.itemsize // 4)
    return np.asarray((words != before.view("<u4").reshape(words.shape)).any(axis=1))
