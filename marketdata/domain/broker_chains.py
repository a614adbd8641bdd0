"""The broker's option chain of one series, as the product keeps it, and when it is requested again.

The broker's chain names the open interest at the previous close, and prices and open interest of all strikes, also of
those that do not stream. It has no time of its own: the time of receipt stands for it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import SessionBook

# Chosen: the exchange's own page of a chain is as old.
REFRESH: Final = timedelta(minutes=3)
CHAIN_ROW: Final = np.dtype(
    [
        ("instrument_id", "<u8"),
        ("ltp", "<f8"),  # rupees
        ("previous_close", "<f8"),
        ("bid", "<f8"),
        ("ask", "<f8"),
        ("oi", "<f8"),  # units
        ("previous_oi", "<f8"),
        ("volume", "<f8"),
    ]
)
"""64 bytes, no padding; NaN is unknown, never zero. Another layout needs another LAYOUT."""
LAYOUT: Final = 1

Rows = npt.NDArray[np.void]
_HEADER: Final = np.dtype([("layout", "<u8"), ("received_at_ms", "<u8")])
HEADER_BYTES: Final = _HEADER.itemsize


@dataclass(frozen=True, slots=True)
class BrokerChain:
    """The options of one answer; `rows` is an array of CHAIN_ROW."""

    received_at: datetime
    rows: Rows


def encode_chain(chain: BrokerChain) -> bytes:
    """Return the bytes of `chain`: layout and time of receipt, then the rows."""
    header = np.array([(LAYOUT, round(chain.received_at.timestamp() * 1_000))], _HEADER)
    return header.tobytes() + chain.rows.tobytes()


def decode_time(header: bytes) -> datetime | None:
    """Return the time of receipt from the first HEADER_BYTES of a chain; None for none, or one of another layout."""
    if len(header) < HEADER_BYTES:
        return None
    found: Any = np.frombuffer(header, _HEADER, count=1)[0]
    return datetime.fromtimestamp(int(found["received_at_ms"]) / 1_000, UTC) if found["layout"] == LAYOUT else None


def decode_chain(payload: bytes) -> BrokerChain | None:
    """Return the chain in `payload`; None for none, one of another layout, or one that was cut off."""
    received_at, size = decode_time(payload), len(payload) - HEADER_BYTES
    if received_at is None or size % CHAIN_ROW.itemsize:
        return None
    return BrokerChain(received_at, np.frombuffer(payload, CHAIN_ROW, offset=HEADER_BYTES))


def is_of_session(segment: ExchangeSegment, received_at: datetime, calendar: SessionBook, now: datetime) -> bool:
    """Return whether a chain belongs to the session that runs at `now`, or ended last: its previous close is ours."""
    return calendar.session_day(segment, received_at) == calendar.session_day(segment, now)


def is_due(
    segment: ExchangeSegment,
    received_at: datetime | None,
    calendar: SessionBook,
    now: datetime,
    *,
    after: timedelta = REFRESH,
) -> bool:
    """Return whether the chain is requested again: in a session when it is `after` old, and once after each close."""
    if received_at is None or not is_of_session(segment, received_at, calendar, now):
        return True
    closed_since = calendar.closed_since(segment, now)
    return now - received_at >= after if closed_since is None else received_at < closed_since
