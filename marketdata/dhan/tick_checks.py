"""Which packets of one flush are accepted, and the closes and volumes they set: the fast twin of `domain.tick_rules`.

Theory of operation, in three steps:

1. Comparisons over whole arrays find the packets that are certainly accepted: a positive finite price, a trade time
   that is plausible and not below any before it, no large move of a share or an index, and volumes too small for a
   wrap. Nearly all are.
2. The other instruments are in doubt. All their packets go, in order of arrival, through `tick_rules.apply_tick`
   itself, so that no second version of a rule exists here. A packet may be in doubt without need, never the reverse.
3. Volumes and previous closes of instruments without doubt are set for all at once: every packet has a volume, and in
   the first flush of a day, and after a reconnect, every instrument sets a close.

Packet layouts are those of `packets`. The gain over step 2 alone: benchmarks/bench_quote_table.py.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from marketdata.dhan.framing import by_code
from marketdata.dhan.packets import HEADER, LENGTH_OF, PacketCode, decode_tick
from marketdata.dhan.row_writer import sliding
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quote_rows import CLOSE_KNOWN, Known, Rows
from marketdata.domain.quotes import Quote
from marketdata.domain.tick_rules import (
    DAY_SECONDS,
    LARGEST_VOLUME_FALL,
    NONE_ENDED,
    STEADY_SEGMENTS,
    EndedDays,
    TickFault,
    TrackedQuote,
    apply_tick,
    day_in_india,
)

_Integers = npt.NDArray[np.int64]
_Flags = npt.NDArray[np.bool_]

# Chosen: below the square root of LARGEST_JUMP (3.16). If every price of a flush is within this factor of the known
# price, no two of them differ by more than nine, so none is a jump.
_SAFE_STEP: Final = 3.0
_CLOSES: Final = int(CLOSE_KNOWN)
_SUSPECT: Final = int(Known.SUSPECT)
_PREVIOUS_CLOSE: Final = int(PacketCode.PREVIOUS_CLOSE)
_OI: Final = int(PacketCode.OI)


# Byte offsets in a packet (docs/dhan.md; the layouts of `packets`); 0: the packet has no such field.
_LTP_AT: Final = 8
_LTT_AT: Final = by_code({PacketCode.INDEX: 12, PacketCode.TICKER: 12, PacketCode.QUOTE: 14, PacketCode.FULL: 14})
_VOLUME_AT: Final = by_code({PacketCode.QUOTE: 22, PacketCode.FULL: 22})
_DAY_CLOSE_AT: Final = by_code({PacketCode.QUOTE: 38, PacketCode.FULL: 50})


@dataclass(slots=True)
class Memory:
    """The state of each row that the rules need beside the row (`TrackedQuote`)."""

    # First trade time of the day after the row's `close_day`: from it on, the known previous close is an earlier day's.
    settled_to: _Integers
    # Trade time with which the row's volume came.
    volume_ltt: _Integers
    jumps: npt.NDArray[np.uint8]
    is_steady: _Flags
    # Whether any row may have a volume above half the range of the wire: without one, no row needs to be looked at.
    has_large_volumes: bool = False

    @classmethod
    def blank(cls, segments: npt.NDArray[np.uint8]) -> "Memory":
        """Return the state of new rows."""
        count = len(segments)
        is_steady = np.isin(segments, [int(one) for one in STEADY_SEGMENTS])
        settled_to, volume_ltt = (np.zeros(count, dtype=np.int64) for _ in range(2))
        return cls(settled_to, volume_ltt, np.zeros(count, dtype=np.uint8), is_steady)

    def has_lost_close(self, rows: Rows) -> _Flags:
        """Return which rows have no previous close of the current day, although one of an earlier day was sent."""
        return np.asarray((self.settled_to > 0) & (rows["known"] & np.uint16(_CLOSES) == 0))

    def copy_from(self, other: "Memory", *, to: _Integers, source: _Integers) -> None:
        """Copy the state of rows that stay."""
        # Not `is_steady`: it follows from the segment, and `blank` has set it.
        self.settled_to[to], self.jumps[to] = other.settled_to[source], other.jumps[source]
        self.volume_ltt[to] = other.volume_ltt[source]
        self.has_large_volumes |= other.has_large_volumes

    def note_volume(self, volume: int) -> None:
        """Take notice of a volume that is written to a row, except one that the wire can send without a wrap."""
        self.has_large_volumes |= volume > LARGEST_VOLUME_FALL


@dataclass(frozen=True, slots=True)
class Ticks:
    """The ticks of a flush in order of arrival: row slot, byte offset in `buffer` and packet code of each."""

    buffer: bytes
    slots: _Integers
    at: _Integers
    codes: npt.NDArray[np.uint8]

    def only(self, chosen: _Flags) -> "Ticks":
        """Return the chosen ticks. If that is all of them, the usual case, nothing is copied."""
        if chosen.all():
            return self
        return Ticks(self.buffer, self.slots[chosen], self.at[chosen], self.codes[chosen])

    def fields(self, dtype: str, at: _Integers | int) -> npt.NDArray[Any]:
        """Return the four-byte field that begins `at` bytes after the start of each tick."""
        found: npt.NDArray[Any] = sliding(self.buffer, dtype, 0)[self.at + at]
        return found


@dataclass(frozen=True, slots=True)
class _DayCloses:
    """Previous closes that the first packets of `day` set, by slot; `removed` are the slots whose close was older."""

    slots: _Integers
    closes: npt.NDArray[np.float32]
    removed: _Integers
    day: int


@dataclass(frozen=True, slots=True)
class _DayVolumes:
    """Volumes of the day as sent, by slot in order of arrival, and the trade times with which they came."""

    slots: _Integers
    sent: npt.NDArray[np.uint32]
    ltts: npt.NDArray[np.uint32]

    def only(self, chosen: _Flags) -> "_DayVolumes":
        if chosen.all():
            return self
        return _DayVolumes(self.slots[chosen], self.sent[chosen], self.ltts[chosen])


@dataclass(slots=True)
class TickCheck:
    """Result of checking a flush. `is_accepted` has one flag per tick."""

    is_accepted: _Flags
    faults: Counter[TickFault] = field(default_factory=Counter)
    tracked: dict[int, TrackedQuote] = field(default_factory=dict)  # instruments in doubt, after the flush, by slot
    day_closes: _DayCloses | None = None
    volumes: _DayVolumes | None = None


def check_ticks(
    ticks: Ticks, rows: Rows, memory: Memory, *, received_at_ms: int, ended: EndedDays = NONE_ENDED
) -> TickCheck:
    """Return which of `ticks` are accepted; `rows` and `memory` do not change."""
    check = TickCheck(np.ones(len(ticks.at), dtype=np.bool_))
    in_doubt = np.zeros(len(rows), dtype=np.bool_)
    # Instruments, not single ticks, are in doubt: the rule must see all ticks of an instrument in order. Packets of
    # code 6 come once per subscription, so their instruments always go through the rule.
    in_doubt[ticks.slots[ticks.codes == _PREVIOUS_CLOSE]] = True
    priced = ticks.only(_LTT_AT[ticks.codes] > 0)
    if len(priced.at):
        ltt, volume_at = priced.fields("<u4", _LTT_AT[priced.codes]), _VOLUME_AT[priced.codes]
        # A ticker has no volume: at offset 0 its header is read as a number; at worst it is in doubt without need.
        sent = priced.fields("<u4", volume_at)
        in_doubt[priced.slots[_find_doubts(priced, ltt, sent, rows, memory, day_in_india(received_at_ms))]] = True
        check.volumes = _DayVolumes(priced.slots, sent, ltt).only(volume_at > 0)
        _find_day_closes(priced, ltt, rows, memory, in_doubt, check)
        if ended and check.day_closes is not None:
            check.day_closes = _only_trusted(check.day_closes, rows, ended)
    if in_doubt.any():
        is_for_rule = in_doubt[ticks.slots] & (ticks.codes != _OI)  # Open interest is never rejected.
        _apply_rule(ticks, np.flatnonzero(is_for_rule), rows, memory, received_at_ms, ended, check)
    return check


def _find_doubts(
    priced: Ticks,
    ltt: npt.NDArray[np.uint32],
    sent: npt.NDArray[np.uint32],
    rows: Rows,
    memory: Memory,
    today: int,
) -> _Flags:
    """Return which ticks may be rejected."""
    slots = priced.slots
    ltp = priced.fields("<f4", _LTP_AT)
    is_price = (ltp > 0) & (ltp < np.inf)  # False for NaN.
    # Older than the known trade, or of the day after tomorrow or later: the bound of `tick_rules.find_fault`.
    is_doubtful = (ltt < rows["ltt"][slots]) | (ltt >= (today + 2) * DAY_SECONDS)
    if not is_price.all():
        # A zero for an instrument without a known price is accepted: it has never traded. Only if it comes alone,
        # because after a price in the same flush the zero would be a fault.
        is_untraded = (ltp == 0) & (rows["ltp"][slots] == 0) & (np.bincount(slots, minlength=len(rows))[slots] == 1)
        is_doubtful |= ~is_price & ~is_untraded
    # A wrap needs a volume above half the range before it, as a late packet from before one has.
    is_doubtful |= sent > LARGEST_VOLUME_FALL
    if memory.has_large_volumes:
        is_doubtful |= rows["volume"][slots] > LARGEST_VOLUME_FALL
    is_steady = memory.is_steady[slots]
    if is_steady.any():
        # float64, because three times a large float32 would be infinite. An unknown price is 0, so a first price is
        # always in doubt: the rule compares it with the previous close.
        known_ltp = rows["ltp"][slots].astype(np.float64)
        is_doubtful |= is_steady & ((ltp > known_ltp * _SAFE_STEP) | (ltp < known_ltp / _SAFE_STEP))
        is_doubtful |= memory.jumps[slots] > 0  # The next accepted price resets this count.
    # If all trade times are equal, none is older than another, and the sort is not needed.
    if int(ltt.min()) != int(ltt.max()):
        # In a stable sort by slot, the ticks of one instrument are neighbors in order of arrival.
        order = np.argsort(slots, kind="stable")
        sorted_slots, sorted_ltt = slots[order], ltt[order]
        # Neighbors suffice: a sequence without a fall between neighbors has no fall at all.
        goes_back = (sorted_slots[1:] == sorted_slots[:-1]) & (sorted_ltt[1:] < sorted_ltt[:-1])
        is_doubtful[order[1:][goes_back]] = True
    return np.asarray(is_doubtful)


def _find_day_closes(
    priced: Ticks, ltt: npt.NDArray[np.uint32], rows: Rows, memory: Memory, in_doubt: _Flags, check: TickCheck
) -> None:
    """Find the ticks of a later day than the known previous close, and the close that each such instrument sets."""
    # Compared with the start of the next day: a division of every trade time costs as much as all the other checks.
    is_later = ltt >= memory.settled_to[priced.slots]
    if not is_later.any():
        return
    later, days = priced.only(is_later), ltt[is_later].astype(np.int64) // DAY_SECONDS
    slots, close_at = later.slots, _DAY_CLOSE_AT[later.codes]
    if int(days.min()) != int(days.max()):
        in_doubt[slots] = True  # Two days in one flush: midnight, or a wrong trade time. Rare.
        return
    # A ticker has no close: at offset 0 its header is read as a number, which `where` replaces by 0.
    closes = np.where(close_at > 0, later.fields("<f4", close_at), np.float32(0))
    has_close = np.isfinite(closes) & (closes > 0)
    # The first close of the day stands, as in the rule: `unique` returns the position of the first occurrence.
    set_slots, first = np.unique(slots[has_close], return_index=True)
    # An older close goes even if this tick sets none: a change against the day before yesterday would be wrong.
    removed = slots[rows["known"][slots] & np.uint16(_CLOSES) != 0]
    check.day_closes = _DayCloses(set_slots, closes[has_close][first], removed, int(days[0]))


def _only_trusted(found: _DayCloses, rows: Rows, ended: EndedDays) -> _DayCloses:
    """Leave out the closes that may be those of the session that ended."""
    doubtful = [segment for segment, day in ended.items() if found.day <= day]
    is_trusted = np.isin(rows["segment"][found.slots], doubtful, invert=True)
    return replace(found, slots=found.slots[is_trusted], closes=found.closes[is_trusted])


def _apply_rule(
    ticks: Ticks,
    chosen: _Integers,
    rows: Rows,
    memory: Memory,
    received_at_ms: int,
    ended: EndedDays,
    check: TickCheck,
) -> None:
    """Put the chosen ticks through the rule, in order of arrival."""
    for number in chosen.tolist():
        slot, at, code = int(ticks.slots[number]), int(ticks.at[number]), PacketCode(int(ticks.codes[number]))
        packet = ticks.buffer[at : at + LENGTH_OF[code]]
        _, _, segment, security_id = HEADER.unpack_from(packet)
        key = InstrumentKey(ExchangeSegment(segment), security_id)
        # From the second tick on, the state after the first one counts, not that of the row.
        tracked = check.tracked.get(slot) or _track(key, rows[slot], memory, slot)
        tick = decode_tick(code, key, packet)
        check.tracked[slot], fault = apply_tick(tracked, tick, received_at_ms=received_at_ms, ended=ended)
        if fault is not None:
            check.is_accepted[number] = False
            check.faults[fault] += 1


def _track(key: InstrumentKey, row: np.void, memory: Memory, slot: int) -> TrackedQuote:
    """Return the state of a row for the rule, with only those fields of the quote that the rule reads."""
    known = int(row["known"])
    has_price = known & Known.TRADE
    quote = Quote(
        key,
        ltp=float(row["ltp"]) if has_price else None,
        ltt=int(row["ltt"]) if has_price else None,
        previous_close=float(row["previous_close"]) if known & _CLOSES else None,
        previous_oi=int(row["previous_oi"]) if known & Known.PREVIOUS_CLOSE else None,
        # Also without Known.DAY: then it is only the reference for a wrap, 0 if there is none.
        volume=int(row["volume"]),
    )
    return TrackedQuote(
        quote,
        is_suspect=bool(known & _SUSPECT),
        is_snapshot=bool(known & Known.SNAPSHOT),
        # `settled_to` is the start of the following day. For a new row (0) this is -1, before any trade.
        close_day=int(memory.settled_to[slot]) // DAY_SECONDS - 1,
        jumps=int(memory.jumps[slot]),
        volume_ltt=int(memory.volume_ltt[slot]),
    )


def write_results(check: TickCheck, rows: Rows, memory: Memory) -> None:
    """Write volumes, previous closes and suspect marks.

    Call it after the prices of the accepted ticks are written: writing them clears the marks.
    """
    known = rows["known"]
    if check.volumes is not None:
        # Where a slot repeats, numpy keeps the last assignment.
        rows["volume"][check.volumes.slots] = check.volumes.sent
        memory.volume_ltt[check.volumes.slots] = check.volumes.ltts
    if check.day_closes is not None:
        _write_day_closes(check.day_closes, rows, memory)
    # Instruments in doubt come last: for them the rule decides.
    for slot, tracked in check.tracked.items():
        close, oi = tracked.quote.previous_close, tracked.quote.previous_oi
        rows["previous_close"][slot], rows["previous_oi"][slot] = close or 0.0, oi or 0
        rows["volume"][slot], memory.volume_ltt[slot] = tracked.quote.volume or 0, tracked.volume_ltt
        memory.note_volume(tracked.quote.volume or 0)
        memory.settled_to[slot], memory.jumps[slot] = (tracked.close_day + 1) * DAY_SECONDS, tracked.jumps
        flag = 0 if close is None else int(Known.DAY_CLOSE if oi is None else Known.PREVIOUS_CLOSE)
        known[slot] = int(known[slot]) & ~(_CLOSES | _SUSPECT) | flag | (_SUSPECT if tracked.is_suspect else 0)


def _write_day_closes(found: _DayCloses, rows: Rows, memory: Memory) -> None:
    known, slots = rows["known"], found.slots
    for changed in (found.removed, slots):
        # XOR, because `~` of a Python integer is negative and does not fit an unsigned field.
        known[changed] &= np.uint16(0xFFFF ^ _CLOSES)
    known[slots] |= np.uint16(Known.DAY_CLOSE)
    rows["previous_close"][slots], rows["previous_oi"][slots] = found.closes, 0
    memory.settled_to[slots] = (found.day + 1) * DAY_SECONDS
