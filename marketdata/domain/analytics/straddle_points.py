"""Points of the straddle at the money over one day, one a minute, as packed rows."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from marketdata.domain.sessions import IST

MINUTE_SECONDS: Final = 60
POINT: Final = np.dtype(
    [
        ("minute", "<u4"),  # minutes of the true UTC epoch; a script of the board compares it
        ("atm_iv", "<f4"),  # percent; NaN is unknown
        ("straddle", "<f8"),  # rupees
        ("atm_strike", "<f8"),
        ("forward", "<f8"),  # NaN is unknown
    ]
)
"""32 bytes, no padding. Another layout needs another LAYOUT."""
LAYOUT: Final = 1

Points = npt.NDArray[np.void]


def minute_of(at_ms: int) -> int:
    """Return the minute of a time, both of the true UTC epoch."""
    return at_ms // (1_000 * MINUTE_SECONDS)


def day_of(minute: int) -> date:
    """Return the day in India to which a minute belongs: no session passes midnight."""
    return datetime.fromtimestamp(minute * MINUTE_SECONDS, tz=UTC).astimezone(IST).date()


def end_of(day: date) -> int:
    """Return the end of a day in India, in seconds of the true UTC epoch."""
    return int(datetime.combine(day + timedelta(days=1), datetime.min.time(), tzinfo=IST).timestamp())


def decode_points(payload: bytes) -> Points:
    """Return the points in `payload`, the earliest first; those before the place at which it was cut off."""
    return np.frombuffer(payload[: len(payload) // POINT.itemsize * POINT.itemsize], dtype=POINT)
