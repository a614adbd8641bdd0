"""The web process's copy of all live quotes: written from bus frames, read for browsers.

Pure state: one wire row per instrument in one table, and per row the version of the table at its last change. The
changes for a browser are the watched rows with a version above the one that it last saw: a comparison of two numbers.

Epoch and sequence of each connection are checked here, the fencing of readers. A frame of a former owner is dropped. A
gap in the sequence makes the connection incomplete until a FULL frame arrives. A row is always whole, never a
difference, so a row received after a gap is correct even while others are missing.

A streamed instrument has a slot for the rest of the process: at most one per listed instrument, about 70 bytes each.
Reading allocates no slot: an instrument that was never streamed gets a blank row.

Rows are copied with `take`, `compress` and `put`. Indexing with an array copies packed rows field by field: measured,
six to eighteen times as slowly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import numpy as np
import numpy.typing as npt

from marketdata.dhan.requests import MAX_CONNECTIONS
from marketdata.domain.feed import Delivery
from marketdata.domain.quote_rows import NEVER_HEARD, BusFrame, FrameKind, Rows
from marketdata.streaming.details import DetailTable
from marketdata.streaming.frames import NO_CONNECTION, WIRE_ROW, WireRows, wire_rows

Slots = npt.NDArray[np.intp]
# Rows are compared as 32-bit words: one comparison of 13 columns instead of one per field.
_WORDS_PER_ROW: Final = WIRE_ROW.itemsize // 4


class Absorbed(Enum):
    """Result of absorbing a bus frame."""

    APPLIED = auto()
    OLD = auto()  # of a former owner, or already included in a FULL frame
    GAP = auto()  # applied, but something before it is missing


@dataclass(slots=True)
class _Position:
    """Position in the stream of one connection: the newest frame that was absorbed."""

    epoch: int = 0
    sequence: int = 0
    is_complete: bool = False


class QuoteMirror:
    """Newest wire row of every instrument that was streamed."""

    # Chosen: a lean preload (about 2,000 rows) needs one growth; each growth doubles the table.
    def __init__(self, *, capacity: int = 1_024) -> None:
        self.version = 0
        self.details = DetailTable()
        self._slot_of: dict[int, int] = {}
        self._rows = np.zeros(capacity, dtype=WIRE_ROW)
        self._received_at_ms = np.zeros(capacity, dtype="<u8")
        self._versions = np.zeros(capacity, dtype="<u8")
        self._positions = {number: _Position() for number in range(1, MAX_CONNECTIONS + 1)}

    def __len__(self) -> int:
        return len(self._slot_of)

    def __contains__(self, instrument_id: int) -> bool:
        return instrument_id in self._slot_of

    def absorb(self, frame: BusFrame) -> Absorbed:
        """Apply one bus frame and return the result."""
        position = self._positions[frame.connection]
        # The fencing check: a former owner that wakes up after a freeze publishes under its old epoch.
        if frame.epoch < position.epoch:
            return Absorbed.OLD
        if frame.epoch > position.epoch:
            position.epoch, position.sequence, position.is_complete = frame.epoch, 0, False
        if frame.kind is FrameKind.FULL:
            return self._absorb_full(frame, position)
        return self._absorb_changes(frame, position)

    def absorb_cached(self, connection: int, epoch: int, rows: Rows) -> None:
        """Apply the last-value cache of a connection without an owner; newer rows stay."""
        # The position does not adopt the epoch of the cache: the next frame of its owner must still open a new stream.
        if epoch >= self._positions[connection].epoch:
            slots = self._slots_for(rows["instrument_id"].tolist())
            is_news = rows["received_at_ms"] >= self._received_at_ms[slots]
            self._write(slots[is_news], rows.compress(is_news), connection)

    def mark_incomplete(self) -> None:
        """Mark all connections incomplete: frames may have been missed. Rows stay."""
        for position in self._positions.values():
            position.is_complete = False

    def list_incomplete(self) -> Sequence[int]:
        """Return the numbers of the incomplete connections."""
        return [number for number, position in self._positions.items() if not position.is_complete]

    def slots_of(self, instrument_ids: Sequence[int]) -> Slots:
        """Return the slots of the instruments that were streamed, in the given order."""
        slots = map(self._slot_of.get, instrument_ids)
        return np.fromiter((one for one in slots if one is not None), dtype=np.intp)

    def changed_since(self, slots: Slots, version: int) -> Slots:
        """Return the `slots` whose row changed after `version`."""
        return slots[self._versions.take(slots) > version]

    def rows_at(self, slots: Slots, *, now_ms: int) -> WireRows:
        """Return the rows at `slots` with their ages at `now_ms`."""
        rows = self._rows.take(slots)
        # Signed: a packet stamped by another host's clock may lie in the future. Its age is 0.
        received = self._received_at_ms.take(slots).astype("<i8")
        ages = np.minimum(np.maximum(now_ms - received, 0), NEVER_HEARD - 1)
        rows["age_ms"] = np.where(received > 0, ages, NEVER_HEARD)
        return rows

    def rows_of(self, instrument_ids: Sequence[int], *, now_ms: int) -> WireRows:
        """Return a row of each instrument with its age; a blank row for an instrument that was never streamed."""
        rows = blank_rows(len(instrument_ids))
        rows["instrument_id"] = instrument_ids
        is_held = [one in self for one in instrument_ids]
        rows[is_held] = self.rows_at(self.slots_of(instrument_ids), now_ms=now_ms)
        return rows

    def _absorb_changes(self, frame: BusFrame, position: _Position) -> Absorbed:
        # Already included in a FULL frame, which carries the sequence of the CHANGES frame before it.
        if frame.sequence <= position.sequence:
            return Absorbed.OLD
        follows = frame.sequence == position.sequence + 1
        position.sequence = frame.sequence
        # Sequence 1 opens an epoch, but the rows of the former owner stand: the connection stays incomplete.
        position.is_complete = position.is_complete and follows
        slots = self._slots_for(frame.rows["instrument_id"].tolist())
        self._write(slots, frame.rows, frame.connection, is_starved=frame.delivery is Delivery.STARVED)
        return Absorbed.APPLIED if position.is_complete else Absorbed.GAP

    def _absorb_full(self, frame: BusFrame, position: _Position) -> Absorbed:
        if frame.sequence < position.sequence:
            return Absorbed.OLD
        position.sequence, position.is_complete = frame.sequence, True
        slots = self._slots_for(frame.rows["instrument_id"].tolist())
        self._write(slots, frame.rows, frame.connection)
        self._detach(frame.connection, spare=slots)
        return Absorbed.APPLIED

    def _write(self, slots: Slots, rows: Rows, connection: int, *, is_starved: bool = False) -> None:
        """Write bus rows into the table, except over a later row of another connection."""
        # While a subscription moves, two connections send the same instrument: the later packet wins.
        held = self._rows["connection"][slots]
        is_mine = (held == connection) | (held == NO_CONNECTION)
        is_news = is_mine | (rows["received_at_ms"] >= self._received_at_ms[slots])
        slots, rows = slots[is_news], rows.compress(is_news)
        self.details.absorb(rows)
        fresh = wire_rows(rows, connection=connection)
        # Most changes of a bus row are in deeper levels of the depth, which browsers never get: skip equal rows.
        differs = (_words(fresh) != _words(self._rows.take(slots))).any(axis=1)
        # The time is no part of the comparison: a repeated price is fresh, but nothing to send.
        self._received_at_ms[slots] = rows["received_at_ms"]
        self._rows.put(slots[differs], fresh.compress(differs))
        # Of a starved connection only rows with a recent packet are live, so browsers need the time of every packet.
        self._mark(slots if is_starved else slots[differs])

    def _detach(self, connection: int, *, spare: Slots) -> None:
        """Mark the rows that `connection` no longer streams, all but those at `spare`, as not streamed."""
        is_gone = self._rows["connection"] == connection
        is_gone[spare] = False
        gone = np.flatnonzero(is_gone)
        self._rows["connection"][gone] = NO_CONNECTION
        self._mark(gone)

    def _mark(self, slots: Slots) -> None:
        if len(slots):
            self.version += 1
            self._versions[slots] = self.version

    def _slots_for(self, instrument_ids: Sequence[int]) -> Slots:
        """Return the slots of the instruments, allocating missing ones."""
        missing = [one for one in instrument_ids if one not in self._slot_of]
        if missing:
            self._make_slots(missing)
        return self.slots_of(instrument_ids)

    def _make_slots(self, instrument_ids: Sequence[int]) -> None:
        for one in instrument_ids:
            self._slot_of.setdefault(one, len(self._slot_of))
        # Doubling: the cost of growth stays linear in the number of rows.
        while len(self._slot_of) > len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
            self._received_at_ms = np.concatenate([self._received_at_ms, np.zeros_like(self._received_at_ms)])
            self._versions = np.concatenate([self._versions, np.zeros_like(self._versions)])
        self._rows["instrument_id"][[self._slot_of[one] for one in instrument_ids]] = instrument_ids


def blank_rows(count: int) -> WireRows:
    """Return rows in which nothing is known."""
    rows = np.zeros(count, dtype=WIRE_ROW)
    rows["age_ms"] = NEVER_HEARD
    return rows


def _words(rows: WireRows) -> npt.NDArray[np.uint32]:
    return rows.view("<u4").reshape(len(rows), _WORDS_PER_ROW)
