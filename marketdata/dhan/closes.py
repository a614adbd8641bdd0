"""Which rows have no previous close, and which close they may take: from our own record, or from a snapshot.

The rule for packets is `domain.tick_rules`; this module has the other two sources.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from marketdata.dhan.tick_checks import Memory
from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.quote_rows import CLOSE_KNOWN, Known, Rows
from marketdata.domain.tick_rules import DAY_SECONDS, EndedDays

_Flags = npt.NDArray[np.bool_]


class RecordedClose(NamedTuple):
    """A previous close from our own record, of the session before that of `day`, as `day_in_india` counts."""

    price: float
    oi: int | None
    day: int


def lacks_close(rows: Rows) -> _Flags:
    """Return which rows have a price and no previous close."""
    known = rows["known"]
    return np.asarray((known & np.uint16(Known.TRADE) != 0) & (known & np.uint16(CLOSE_KNOWN) == 0))


def needs_snapshot(rows: Rows, memory: Memory, ended: EndedDays) -> _Flags:
    """Return which rows have no previous close and can get it from a snapshot: only during a session.

    Rows that lost one, and indices: their packets have no close field, so the close comes once (code 6) or not at all.
    """
    is_index = lacks_close(rows) & (rows["segment"] == ExchangeSegment.IDX_I)
    in_session = np.isin(rows["segment"], list(ended), invert=True)
    return np.asarray((memory.has_lost_close(rows) | is_index) & in_session)


def without_doubtful_close(snapshot: np.void, *, ended_day: int) -> Any:
    """Return a snapshot without the close that may be that of the session of its price, which has ended."""
    if int(snapshot["ltt"]) // DAY_SECONDS > ended_day:
        return snapshot
    copied = snapshot.copy()
    copied["known"] = int(copied["known"]) & ~int(CLOSE_KNOWN)
    return copied


def fill_close(rows: Rows, memory: Memory, slot: int, snapshot: np.void) -> bool:
    """Write the previous close of a snapshot and return True; False if the snapshot has none."""
    if not snapshot["known"] & Known.DAY_CLOSE:
        return False
    row = rows[slot]
    row["previous_close"], row["previous_oi"] = snapshot["previous_close"], 0
    row["known"] = int(row["known"]) | Known.DAY_CLOSE
    # The close is settled for the day of the price: the next tick of that day must not remove it.
    memory.settled_to[slot] = max(int(memory.settled_to[slot]), (int(row["ltt"]) // DAY_SECONDS + 1) * DAY_SECONDS)
    return True


def learn_close(rows: Rows, memory: Memory, slot: int, close: RecordedClose) -> bool:
    """Write a recorded close and return True, if the price of the row is of the day that the close precedes."""
    row = rows[slot]
    if int(row["ltt"]) // DAY_SECONDS != close.day:
        return False
    row["previous_close"], row["previous_oi"] = close.price, close.oi or 0
    row["known"] = int(row["known"]) | int(Known.DAY_CLOSE if close.oi is None else Known.PREVIOUS_CLOSE)
    memory.settled_to[slot] = (close.day + 1) * DAY_SECONDS
    return True
