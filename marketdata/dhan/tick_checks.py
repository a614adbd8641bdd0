"""Which packets of one flush are believed, and whose previous close they settle: the fast twin of `tick_rules`.

Theory of operation. Nearly every packet is beyond doubt: its price is positive and finite, its trade time no earlier
than what is held, and the previous close of its day is settled. A few comparisons over whole arrays find the others,
and only instruments with a packet in doubt are walked, packet by packet, with the rule itself. Doubt may be too wide,
never too narrow. A previous close that one packet of the window settles is written for all such instruments at once:
in the morning and after a reconnect that is every instrument.
"""

import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from marketdata.dhan.packets import PacketCode
from marketdata.domain.quote_rows import CLOSE_KNOWN, Known, Rows
from marketdata.domain.tick_rules import (
    DAY_SECONDS,
    STEADY_SEGMENTS,
    HeldPrice,
    TickFault,
    day_in_india,
    find_fault,
    is_close,
)

_Integers = npt.NDArray[np.int64]
_Flags = npt.NDArray[np.bool_]

_TICKER_CODES: Final = (PacketCode.INDEX, PacketCode.TICKER)
_LTP_AT: Final = 8
_WIDEST_STEP: Final = 3.0  # Below the root of LARGEST_JUMP: no two prices as near to a third make a jump.
_CLOSES: Final = int(CLOSE_KNOWN)
_CLOSE_PACKET: Final = struct.Struct("<fI")
_FLOAT: Final = struct.Struct("<f")
_PRICES: Final = {PacketCode.INDEX, PacketCode.TICKER, PacketCode.QUOTE, PacketCode.FULL}


def _by_code(values: dict[PacketCode, int]) -> _Integers:
    table = np.zeros(256, dtype=np.int64)
    for code, value in values.items():
        table[code] = value
    return table


# Where in a packet the trade time is, and the close of the day; 0: it has none.
_LTT_AT: Final = _by_code({PacketCode.INDEX: 12, PacketCode.TICKER: 12, PacketCode.QUOTE: 14, PacketCode.FULL: 14})
_DAY_CLOSE_AT: Final = _by_code({PacketCode.QUOTE: 38, PacketCode.FULL: 50})


@dataclass(slots=True)
class Memory:
    """What the rules remember of each row beside the row."""

    # The trade time with which a previous close that is known is no longer the day's.
    settled_to: _Integers
    jumps: npt.NDArray[np.uint8]
    is_steady: _Flags

    @classmethod
    def blank(cls, segments: npt.NDArray[np.uint8]) -> "Memory":
        """Return what is known of new rows."""
        count = len(segments)
        is_steady = np.isin(segments, [int(one) for one in STEADY_SEGMENTS])
        return cls(np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.uint8), is_steady)

    def has_lost_close(self, rows: Rows) -> _Flags:
        """Return which rows had a previous close that was an earlier day's, and have none for this one."""
        return np.asarray((self.settled_to > 0) & (rows["known"] & np.uint16(_CLOSES) == 0))

    def copy_from(self, other: "Memory", *, to: _Integers, source: _Integers) -> None:
        """Take over what was known of rows that stay."""
        self.settled_to[to], self.jumps[to] = other.settled_to[source], other.jumps[source]


@dataclass(frozen=True, slots=True)
class Ticks:
    """The packets of a flush that are ticks of instruments of the table, in arrival order."""

    buffer: bytes
    slots: _Integers
    at: _Integers
    codes: npt.NDArray[np.uint8]

    def only(self, chosen: _Flags) -> "Ticks":
        """Return those that are chosen; most often that is all of them, and nothing is copied."""
        if chosen.all():
            return self
        return Ticks(self.buffer, self.slots[chosen], self.at[chosen], self.codes[chosen])


@dataclass(slots=True)
class _Walk:
    """One instrument on its way through the packets of a flush."""

    ltp: float
    ltt: int
    close: float
    close_oi: int
    known: int
    close_day: int
    is_steady: bool
    jumps: int
    is_suspect: bool = False

    def is_told(self, today: int) -> bool:
        return bool(self.known & Known.PREVIOUS_CLOSE) and self.close_day >= today

    def set_close(self, close: float, oi: int, flag: int, day: int) -> None:
        self.close, self.close_oi, self.close_day = close, oi, day
        self.known = self.known & ~_CLOSES | flag

    def held(self) -> HeldPrice:
        knows_price = bool(self.known & Known.TRADE)
        return HeldPrice(
            ltp=self.ltp if knows_price else 0.0,
            ltt=self.ltt if knows_price else 0,
            previous_close=self.close if self.known & _CLOSES else 0.0,
            is_snapshot=bool(self.known & Known.SNAPSHOT),
            is_steady=self.is_steady,
            jumps=self.jumps,
        )


@dataclass(frozen=True, slots=True)
class Settled:
    """Previous closes that the first packets of a day settle, where nothing is in doubt; by slot."""

    slots: _Integers
    closes: npt.NDArray[np.float32]
    forgotten: _Integers
    day: int


@dataclass(slots=True)
class Verdict:
    """What is to be written of a flush. `is_believed` is by packet."""

    is_believed: _Flags
    faults: Counter[TickFault] = field(default_factory=Counter)
    walks: dict[int, _Walk] = field(default_factory=dict)
    settled: "Settled | None" = None


def judge(ticks: Ticks, rows: Rows, memory: Memory, *, received_at_ms: int) -> Verdict:
    """Return what of `ticks` is believed; nothing is written yet."""
    verdict = Verdict(np.ones(len(ticks.at), dtype=np.bool_))
    today = day_in_india(received_at_ms)
    is_walked = np.zeros(len(rows), dtype=np.bool_)
    is_walked[ticks.slots[ticks.codes == PacketCode.PREVIOUS_CLOSE]] = True
    priced = ticks.only(_LTT_AT[ticks.codes] > 0)
    if len(priced.at):
        _find_doubts(priced, rows, memory, today, is_walked, verdict)
    if is_walked.any():
        _walk(ticks, np.flatnonzero(is_walked[ticks.slots]), rows, memory, today, verdict)
    return verdict


def _find_doubts(priced: Ticks, rows: Rows, memory: Memory, today: int, is_walked: _Flags, verdict: Verdict) -> None:
    slots, at = priced.slots, priced.at
    ltp = _floats(priced.buffer, at + _LTP_AT)
    ltt = _words(priced.buffer, at + _LTT_AT[priced.codes])
    is_price = (ltp > 0) & (ltp < np.inf)
    is_doubtful = (ltt < rows["ltt"][slots]) | (ltt >= (today + 2) * DAY_SECONDS)
    if not is_price.all():
        # No price, where none is known, of an instrument that comes once: it was never traded.
        is_untraded = (ltp == 0) & (rows["ltp"][slots] == 0) & (np.bincount(slots, minlength=len(rows))[slots] == 1)
        is_doubtful |= ~is_price & ~is_untraded
    is_steady = memory.is_steady[slots]
    if is_steady.any():
        held_ltp = rows["ltp"][slots].astype(np.float64)
        is_doubtful |= is_steady & ((ltp > held_ltp * _WIDEST_STEP) | (ltp < held_ltp / _WIDEST_STEP))
    if int(ltt.min()) != int(ltt.max()):
        # Several times of one instrument in a window: whether they are in order is for the walk to see.
        newest = np.zeros(len(rows), dtype=np.uint32)
        np.maximum.at(newest, slots, ltt)
        is_doubtful |= ltt < newest[slots]
    is_walked[slots[is_doubtful]] = True
    _find_settling(priced, ltt, rows, memory, is_walked, verdict)


def _find_settling(
    priced: Ticks,
    ltt: npt.NDArray[np.uint32],
    rows: Rows,
    memory: Memory,
    is_walked: _Flags,
    verdict: Verdict,
) -> None:
    # A day is settled if the trade is of no later one; no division, it would cost as much as all the rest.
    is_later = ltt >= memory.settled_to[priced.slots]
    if not is_later.any():
        return
    later, days = priced.only(is_later), ltt[is_later].astype(np.int64) // DAY_SECONDS
    slots, where = later.slots, _DAY_CLOSE_AT[later.codes]
    if int(days.min()) != int(days.max()):
        is_walked[slots] = True  # Midnight, or a false date: rare.
        return
    has_close = where > 0
    closes = np.zeros(len(slots), dtype=np.float32)
    closes[has_close] = _floats(later.buffer, (later.at + where)[has_close])
    has_close &= np.isfinite(closes) & (closes > 0)
    taken, first = np.unique(slots[has_close], return_index=True)
    forgotten = slots[rows["known"][slots] & np.uint16(_CLOSES) != 0]
    verdict.settled = Settled(taken, closes[has_close][first], forgotten, int(days[0]))


def _walk(ticks: Ticks, packets: _Integers, rows: Rows, memory: Memory, today: int, verdict: Verdict) -> None:
    """Put the packets of the instruments in doubt to the rule, in arrival order."""
    for packet in packets.tolist():
        slot = int(ticks.slots[packet])
        walk = verdict.walks.get(slot)
        if walk is None:
            walk = verdict.walks[slot] = _begin(rows[slot], memory, slot)
        code, at = PacketCode(int(ticks.codes[packet])), int(ticks.at[packet])
        if code is PacketCode.PREVIOUS_CLOSE:
            close, oi = _CLOSE_PACKET.unpack_from(ticks.buffer, at + 8)
            if is_close(close) and not walk.is_told(today):
                walk.set_close(close, oi, int(Known.PREVIOUS_CLOSE), today)
        elif code in _PRICES:
            fault = _step(walk, ticks.buffer, at, code, today)
            if fault is not None:
                verdict.is_believed[packet] = False
                verdict.faults[fault] += 1


def _step(walk: _Walk, buffer: bytes, at: int, code: PacketCode, today: int) -> TickFault | None:
    (ltp,) = _FLOAT.unpack_from(buffer, at + _LTP_AT)
    ltt = int.from_bytes(buffer[at + int(_LTT_AT[code]) :][:4], "little")
    fault = find_fault(ltp, ltt, walk.held(), today=today)
    if fault is not None:
        walk.is_suspect |= fault.is_impossible
        walk.jumps += fault is TickFault.JUMP
        return fault
    walk.ltp, walk.ltt, walk.is_suspect, walk.jumps = ltp, ltt, False, 0
    walk.known = walk.known & ~int(Known.SNAPSHOT) | int(Known.TRADE)
    if ltt // DAY_SECONDS > walk.close_day:
        close = 0.0 if code in _TICKER_CODES else _FLOAT.unpack_from(buffer, at + int(_DAY_CLOSE_AT[code]))[0]
        if is_close(close):
            walk.set_close(close, 0, int(Known.DAY_CLOSE), ltt // DAY_SECONDS)
        else:
            walk.known &= ~_CLOSES
    return None


def _begin(row: np.void, memory: Memory, slot: int) -> _Walk:
    known = int(row["known"])
    return _Walk(
        ltp=float(row["ltp"]),
        ltt=int(row["ltt"]),
        close=float(row["previous_close"]),
        close_oi=int(row["previous_oi"]),
        known=known,
        close_day=int(memory.settled_to[slot]) // DAY_SECONDS - 1,
        is_steady=bool(memory.is_steady[slot]),
        jumps=int(memory.jumps[slot]),
        is_suspect=bool(known & Known.SUSPECT),
    )


def write_closes(verdict: Verdict, rows: Rows, memory: Memory) -> None:
    """Write what the packets say of previous closes, and which prices are suspect; after the prices themselves."""
    if verdict.settled is not None:
        _write_settled(verdict.settled, rows, memory)
    # What was walked is written last: there the rule itself has spoken.
    for slot, walk in verdict.walks.items():
        rows["previous_close"][slot], rows["previous_oi"][slot] = walk.close, walk.close_oi
        memory.settled_to[slot], memory.jumps[slot] = (walk.close_day + 1) * DAY_SECONDS, walk.jumps
        marks = walk.known & _CLOSES | (int(Known.SUSPECT) if walk.is_suspect else 0)
        rows["known"][slot] = int(rows["known"][slot]) & ~(_CLOSES | int(Known.SUSPECT)) | marks


def _write_settled(settled: Settled, rows: Rows, memory: Memory) -> None:
    known, slots = rows["known"], settled.slots
    for changed in (settled.forgotten, slots):
        known[changed] &= np.uint16(0xFFFF ^ _CLOSES)
    known[slots] |= np.uint16(Known.DAY_CLOSE)
    rows["previous_close"][slots], rows["previous_oi"][slots] = settled.closes, 0
    memory.settled_to[slots] = (settled.day + 1) * DAY_SECONDS


def _floats(buffer: bytes, at: _Integers) -> npt.NDArray[np.float32]:
    """Return the float32 at each byte offset; nothing but them is copied."""
    view: npt.NDArray[np.float32] = np.ndarray(shape=(len(buffer) - 3,), dtype="<f4", buffer=buffer, strides=(1,))
    return view[at]


def _words(buffer: bytes, at: _Integers) -> npt.NDArray[np.uint32]:
    """Return the u32 at each byte offset; nothing but them is copied."""
    view: npt.NDArray[np.uint32] = np.ndarray(shape=(len(buffer) - 3,), dtype="<u4", buffer=buffer, strides=(1,))
    return view[at]
