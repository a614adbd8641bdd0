"""The web process's copy of every live quote, fed by bus frames, read by browsers.

Pure state: one wire row per instrument in one table, and per row the version at which it last changed, so
that "what is new for this browser" is a comparison of two numbers. Epochs and sequences of the five
connections are judged here: what an older owner says is dropped, a gap makes a connection incomplete until
a FULL frame mends it. Rows are whole, so a row after a gap is right even while its neighbors are not yet.

An instrument that was streamed keeps its slot for the life of the process: at most the listing, some 50 bytes
each. Looking makes no slots: what was never streamed is answered with blank rows that nobody keeps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import numpy as np
import numpy.typing as npt

from marketdata.dhan.requests import MAX_CONNECTIONS
from marketdata.domain.quote_rows import BusFrame, FrameKind, Rows
from marketdata.streaming.frames import NEVER_HEARD, NO_CONNECTION, WIRE_ROW, WireRows, wire_rows

Slots = npt.NDArray[np.intp]
_WORDS_PER_ROW: Final = WIRE_ROW.itemsize // 8


class Absorbed(Enum):
    """What became of a bus frame."""

    APPLIED = auto()
    OLD = auto()  # of a former owner, or already included in a FULL frame
    GAP = auto()  # applied, but something before it is missing


@dataclass(slots=True)
class _Position:
    epoch: int = 0
    sequence: int = 0
    is_complete: bool = False


class QuoteMirror:
    """Newest wire row of every instrument that was streamed."""

    def __init__(self, *, capacity: int = 1_024) -> None:
        self.version = 0
        self._slot_of: dict[int, int] = {}
        self._rows = np.zeros(capacity, dtype=WIRE_ROW)
        self._received_at_ms = np.zeros(capacity, dtype="<u8")
        self._versions = np.zeros(capacity, dtype="<u8")
        self._positions = {number: _Position() for number in range(1, MAX_CONNECTIONS + 1)}

    def absorb(self, frame: BusFrame) -> Absorbed:
        """Take one bus frame in and say what became of it."""
        position = self._positions[frame.connection]
        if frame.epoch < position.epoch:
            return Absorbed.OLD
        if frame.epoch > position.epoch:
            position.epoch, position.sequence, position.is_complete = frame.epoch, 0, False
        if frame.kind is FrameKind.FULL:
            return self._absorb_full(frame, position)
        return self._absorb_changes(frame, position)

    def absorb_cached(self, connection: int, epoch: int, rows: Rows) -> None:
        """Take in what Redis kept of a connection whose owner does not answer; newer rows stay."""
        if epoch >= self._positions[connection].epoch:
            slots = self._slots_for(rows["instrument_id"].tolist())
            is_news = rows["received_at_ms"] >= self._received_at_ms[slots]
            self._write(slots[is_news], rows[is_news], connection)

    def mark_incomplete(self) -> None:
        """Note that frames may have been missed on every connection; what is held stays."""
        for position in self._positions.values():
            position.is_complete = False

    def list_incomplete(self) -> Sequence[int]:
        """Return the connections of which something may be missing."""
        return [number for number, position in self._positions.items() if not position.is_complete]

    def slots_of(self, instrument_ids: Sequence[int]) -> Slots:
        """Return the slots of those instruments that were streamed, in the order given."""
        slots = map(self._slot_of.get, instrument_ids)
        return np.fromiter((one for one in slots if one is not None), dtype=np.intp)

    def changed_since(self, slots: Slots, version: int) -> Slots:
        """Return those of `slots` whose row changed after `version`."""
        return slots[self._versions[slots] > version]

    def rows_at(self, slots: Slots, *, now_ms: int) -> WireRows:
        """Return the rows at `slots` with their ages at `now_ms`."""
        rows = self._rows[slots]
        received = self._received_at_ms[slots].astype("<i8")
        ages = np.clip(now_ms - received, 0, NEVER_HEARD - 1)
        rows["age_ms"] = np.where(received > 0, ages, NEVER_HEARD)
        return rows

    def rows_of(self, instrument_ids: Sequence[int], *, now_ms: int) -> WireRows:
        """Return a row of each instrument, with its age; a blank one of those that were never streamed."""
        rows = np.zeros(len(instrument_ids), dtype=WIRE_ROW)
        rows["instrument_id"] = instrument_ids
        rows["age_ms"] = NEVER_HEARD
        is_held = [one in self._slot_of for one in instrument_ids]
        rows[is_held] = self.rows_at(self.slots_of(instrument_ids), now_ms=now_ms)
        return rows

    def _absorb_changes(self, frame: BusFrame, position: _Position) -> Absorbed:
        if frame.sequence <= position.sequence:
            return Absorbed.OLD
        follows = frame.sequence == position.sequence + 1
        position.sequence = frame.sequence
        # Sequence 1 is the first of an epoch: nothing was said before it, but rows of the former owner stand.
        position.is_complete = position.is_complete and follows
        slots = self._slots_for(frame.rows["instrument_id"].tolist())
        self._write(slots, frame.rows, frame.connection)
        return Absorbed.APPLIED if position.is_complete else Absorbed.GAP

    def _absorb_full(self, frame: BusFrame, position: _Position) -> Absorbed:
        if frame.sequence < position.sequence:
            return Absorbed.OLD
        position.sequence, position.is_complete = frame.sequence, True
        slots = self._slots_for(frame.rows["instrument_id"].tolist())
        self._write(slots, frame.rows, frame.connection)
        self._detach(frame.connection, spare=slots)
        return Absorbed.APPLIED

    def _write(self, slots: Slots, rows: Rows, connection: int) -> None:
        """Put bus rows into the table; a row another connection brought later stays."""
        held = self._rows["connection"][slots]
        is_mine = (held == connection) | (held == NO_CONNECTION)
        is_news = is_mine | (rows["received_at_ms"] >= self._received_at_ms[slots])
        slots, rows = slots[is_news], rows[is_news]
        fresh = wire_rows(rows, connection=connection)
        # Most changes of a bus row are below the best level: a row that looks the same is no news.
        differs = (_words(fresh) != _words(self._rows[slots])).any(axis=1)
        self._received_at_ms[slots] = rows["received_at_ms"]
        self._rows[slots[differs]] = fresh[differs]
        self._mark(slots[differs])

    def _detach(self, connection: int, *, spare: Slots) -> None:
        """Say of rows that `connection` no longer has that nothing streams them."""
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
        """Return the slot of each streamed instrument; new ones get a blank one."""
        missing = [one for one in instrument_ids if one not in self._slot_of]
        if missing:
            self._make_slots(missing)
        return self.slots_of(instrument_ids)

    def _make_slots(self, instrument_ids: Sequence[int]) -> None:
        for one in instrument_ids:
            self._slot_of.setdefault(one, len(self._slot_of))
        while len(self._slot_of) > len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
            self._received_at_ms = np.concatenate([self._received_at_ms, np.zeros_like(self._received_at_ms)])
            self._versions = np.concatenate([self._versions, np.zeros_like(self._versions)])
        self._rows["instrument_id"][[self._slot_of[one] for one in instrument_ids]] = instrument_ids


def _words(rows: WireRows) -> npt.NDArray[np.uint64]:
    return rows.view("<u8").reshape(len(rows), _WORDS_PER_ROW)
