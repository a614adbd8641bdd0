"""Details of single instruments on the browser's wire: depth and the day so far, and who gets them when.

Pure. Quote frames carry the best bid and ask of many instruments; a page that looks at one instrument gets the rest of
its row in frames of their own, at the viewer's rate. The bus carries whole rows already, so a web process keeps those
of the instruments that one of its browsers looks at, and no others (docs/decisions/0040-details.md). A row is whole,
never a difference, and a socket keeps the order of its frames, so these have no sequence and need no acknowledgement:
none is sent while the quotes of this browser wait for one (`outbox`). Price, volume, open interest, state and time of
the instrument are in its quote. The JavaScript twin is `static/marketdata/details.js`; both are tested with the bytes
in `tests/data/detail_frames.json`.

    header, 16 bytes, little-endian
     0 u8   version, 131                      4 u32  zero
     1 u8   zero                              8 f64  server time, true UTC epoch in ms
     2 u16  rows

Then the rows, 144 bytes each (DETAIL_ROW).
"""

import struct
from collections.abc import Iterable, Sequence, Set
from enum import IntFlag
from typing import Final

import numpy as np
import numpy.typing as npt

from marketdata.domain.quote_rows import DEPTH_LEVEL, Known, Rows, has_group

DETAILS_VERSION: Final = 131
"""129 and up: frames of quotes count from 1."""
_HEADER: Final = struct.Struct("<BBHId")

DETAIL_ROW: Final = np.dtype(
    [
        ("instrument_id", "<u4"),
        ("known", "<u2"),
        # As on the broker's wire: a trade of more than 65,535 units has a wrong value.
        ("ltq", "<u2"),
        ("average_price", "<f4"),
        ("total_buy_quantity", "<u4"),
        ("total_sell_quantity", "<u4"),
        ("oi_day_high", "<u4"),
        ("oi_day_low", "<u4"),
        ("day_open", "<f4"),
        ("day_high", "<f4"),
        ("day_low", "<f4"),
        ("reserved", "<u4"),
        ("depth", DEPTH_LEVEL, (5,)),
    ]
)
"""144 bytes, no padding, prices in rupees as received, best level first."""

DetailRows = npt.NDArray[np.void]


class Detail(IntFlag):
    """Flags of the known groups of a detail row."""

    DAY = 1  # ltq, average price, totals, open, high and low
    OI_RANGE = 2
    DEPTH = 4


_GROUPS: Final[dict[Detail, tuple[Known, tuple[str, ...]]]] = {
    Detail.DAY: (
        Known.DAY,
        ("ltq", "average_price", "total_buy_quantity", "total_sell_quantity", "day_open", "day_high", "day_low"),
    ),
    Detail.OI_RANGE: (Known.OI_RANGE, ("oi_day_high", "oi_day_low")),
    Detail.DEPTH: (Known.DEPTH, ("depth",)),
}


def detail_rows(rows: Rows) -> DetailRows:
    """Return what a page shows of bus rows beside their quotes. A field whose flag is not set has no meaning."""
    shown = np.zeros(len(rows), dtype=DETAIL_ROW)
    shown["instrument_id"] = rows["instrument_id"]
    for flag, (group, names) in _GROUPS.items():
        shown["known"] |= np.where(has_group(rows, group), int(flag), 0).astype("<u2")
        for name in names:
            shown[name] = rows[name]
    return shown


def encode_details(rows: Sequence[bytes], *, server_time_ms: int) -> bytes:
    """Return a frame of these encoded rows."""
    return _HEADER.pack(DETAILS_VERSION, 0, len(rows), 0, float(server_time_ms)) + b"".join(rows)


class DetailTable:
    """The newest encoded row of each instrument that a browser of this process looks at.

    The mirror writes it, with the rows that it has accepted. An instrument without a row has its first one from the
    last-value cache (`missing`, `absorb_cached`).
    """

    def __init__(self) -> None:
        self.version = 0
        self._ids = np.empty(0, dtype="<u4")
        # Encoded row and the version of the table at its last change.
        self._rows: dict[int, tuple[bytes, int]] = {}

    def watch(self, instrument_ids: Set[int]) -> None:
        """Replace the set of instruments; rows of others are dropped."""
        self._ids = np.fromiter(sorted(instrument_ids), dtype="<u4", count=len(instrument_ids))
        self._rows = {one: held for one, held in self._rows.items() if one in instrument_ids}

    @property
    def watched(self) -> Set[int]:
        """The instruments whose rows are kept."""
        return set(self._ids.tolist())

    @property
    def missing(self) -> Sequence[int]:
        """The watched instruments without a row."""
        return [one for one in self._ids.tolist() if one not in self._rows]

    def absorb(self, rows: Rows) -> None:
        """Take the rows of watched instruments among `rows`."""
        if not len(self._ids) or not len(rows):
            return
        is_watched = np.isin(rows["instrument_id"], self._ids)
        if is_watched.any():
            self._write(rows.compress(is_watched))

    def absorb_cached(self, rows: Rows) -> None:
        """Take rows of the last-value cache, where no frame has brought one."""
        self._write(rows.compress(np.isin(rows["instrument_id"], np.array(self.missing, dtype="<u4"))))

    def _write(self, rows: Rows) -> None:
        for row in detail_rows(rows):
            instrument_id, encoded = int(row["instrument_id"]), row.tobytes()
            held = self._rows.get(instrument_id)
            # Many packets repeat the depth: an equal row is nothing to send.
            if held is None or held[0] != encoded:
                self.version += 1
                self._rows[instrument_id] = encoded, self.version

    def changed_since(self, instrument_ids: Iterable[int], version: int) -> Sequence[bytes]:
        """Return the encoded rows of these instruments that changed after `version`."""
        held = (self._rows.get(one) for one in instrument_ids)
        return [encoded for encoded, changed in filter(None, held) if changed > version]


class DetailOutbox:
    """The details of one browser socket."""

    def __init__(self) -> None:
        self.instrument_ids: tuple[int, ...] = ()
        self._seen_version = 0
        self._sent_in = -1

    def watch(self, instrument_ids: Iterable[int]) -> None:
        """Replace the watched set; the next frame has all that is known of it."""
        self.instrument_ids = tuple(instrument_ids)
        self.resync()

    def resync(self) -> None:
        """Make the next frame one of all watched instruments, due at once."""
        self._seen_version, self._sent_in = 0, -1

    def next_frame(self, table: DetailTable, *, now: float, now_ms: int, interval_seconds: float) -> bytes | None:
        """Return the frame to send at `now` (monotonic seconds), or None. A returned frame counts as sent.

        At most one frame in each interval; nothing without a change.
        """
        number = int(now // interval_seconds)
        # The number of the interval, not the time since the last frame: a timer that is early would halve the rate.
        if not self.instrument_ids or number == self._sent_in:
            return None
        rows = table.changed_since(self.instrument_ids, self._seen_version)
        if not rows:
            return None
        self._seen_version, self._sent_in = table.version, number
        return encode_details(rows, server_time_ms=now_ms)
