"""Candles of the present day, and how long the product keeps an answer about them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

INTERVALS: Final = (1, 5, 15, 25, 60)
"""Minutes; docs/dhan.md, charts/intraday."""
CANDLE: Final = np.dtype(
    [
        ("at", "<i8"),  # true UTC epoch of the opening, in seconds
        ("open", "<f8"),  # rupees
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<f8"),  # units; NaN is unknown
    ]
)
"""48 bytes, no padding. Another layout needs another LAYOUT."""
LAYOUT: Final = 1

Candles = npt.NDArray[np.void]
_HEADER: Final = np.dtype([("layout", "<u8"), ("received_at_ms", "<u8"), ("day", "<u8"), ("is_known", "<u8")])


@dataclass(frozen=True, slots=True)
class IntradayCandles:
    """The broker's answer about one instrument; `candles` is an array of CANDLE, None if the broker did not answer."""

    received_at: datetime
    day: date
    """The session day that was asked about."""
    candles: Candles | None


def encode_candles(answer: IntradayCandles) -> bytes:
    """Return the bytes of an answer."""
    received_at_ms, is_known = round(answer.received_at.timestamp() * 1_000), answer.candles is not None
    header = np.array([(LAYOUT, received_at_ms, answer.day.toordinal(), is_known)], _HEADER)
    return header.tobytes() + (b"" if answer.candles is None else answer.candles.tobytes())


def decode_candles(payload: bytes) -> IntradayCandles | None:
    """Return the answer in `payload`; None for none, one of another layout, or one that was cut off."""
    size = len(payload) - _HEADER.itemsize
    if size < 0 or size % CANDLE.itemsize:
        return None
    header = np.frombuffer(payload, _HEADER, count=1)[0]
    if header["layout"] != LAYOUT:
        return None
    received_at = datetime.fromtimestamp(int(header["received_at_ms"]) / 1_000, UTC)
    candles = np.frombuffer(payload, CANDLE, offset=_HEADER.itemsize) if header["is_known"] else None
    return IntradayCandles(received_at, date.fromordinal(int(header["day"])), candles)
