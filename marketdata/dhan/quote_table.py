"""The fast path of the feed: the newest row per instrument of one connection, and the rows that changed.

Theory of operation. The socket's callback only appends raw messages to a list, in order of arrival. Once per flush
`absorb` joins them, finds the offset and the row of every packet, and scatters the packets of each code into the rows.

The definition is `tick_rules.apply_tick`, packet by packet; a property test compares both. Per group of fields the last
accepted packet of a flush wins. Rejected packets (`tick_checks`) are counted by kind and never written. Rows are
`QUOTE_ROW`s in the order of their keys. Times are arguments: this module reads no clock.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from marketdata.dhan import closes as close_rules
from marketdata.dhan.counters import Counters
from marketdata.dhan.framing import find_packets, headers_at
from marketdata.dhan.key_index import KeyIndex
from marketdata.dhan.packets import DISCONNECT, PacketCode
from marketdata.dhan.row_writer import IS_TICK, WRITERS, RowWriter, opaque
from marketdata.dhan.tick_checks import Memory, Ticks, check_ticks, write_results
from marketdata.dhan.traffic import Traffic
from marketdata.domain.instruments import InstrumentKey
from marketdata.domain.quote_rows import CLOSE_KNOWN, QUOTE_ROW, Known, Rows
from marketdata.domain.tick_rules import (
    LARGEST_VOLUME_FALL,
    NONE_ENDED,
    DayVolume,
    EndedDays,
    day_in_india,
    unwrap_volume,
)

_CLOSES: Final = int(CLOSE_KNOWN)
_DISCONNECT: Final = int(PacketCode.DISCONNECT)
_NOTHING: Final = -1
_KEY_SHIFT: Final = np.uint64(24)

_Integers = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]


class QuoteTable:
    """Rows of the instruments of one connection. Not for several threads."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.disconnect_reason: int | None = None
        self._ended: EndedDays = NONE_ENDED
        self._messages: list[bytes] = []
        self._recalled: Mapping[int, DayVolume] = {}
        self._traffic = Traffic()
        # Takes one message of the socket, whole. The list's own method, because it runs once per message; the list must
        # therefore be cleared and never replaced.
        self.append = self._messages.append
        self._lay_out(np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint32))

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def waiting(self) -> int:
        """How many messages were appended since the last call of `absorb`."""
        return len(self._messages)

    @property
    def streaming(self) -> int:
        """How many instruments had at least one packet since the socket opened."""
        return int(np.count_nonzero(self._has_packet))

    def take_kept_share(self) -> float:
        """Return which share of the recent packets the rows had that were not removed since the last call, 0 to 1."""
        return self._traffic.take_kept_share()

    def begin_socket(self) -> None:
        """Reset the counters and marks of the former socket; values stay, marked EARLIER."""
        self.counters = Counters()
        self.disconnect_reason = None
        self._messages.clear()
        self._has_packet[:] = False
        known = self._rows["known"]
        # A price of the former socket stays until a packet or a snapshot replaces it. Rows that are marked already do
        # not change, so that a reconnect loop does not publish all rows each time.
        ages = (known != 0) & (known & np.uint16(Known.EARLIER) == 0)
        known[ages] |= np.uint16(Known.EARLIER)
        self._changed |= ages
        self._uncached |= ages

    def add(self, instruments: Mapping[InstrumentKey, int]) -> list[int]:
        """Add instruments with their ids and return the ids that they replace.

        An instrument that is present with the same id keeps its values.
        """
        replaced: list[int] = []
        if instruments:
            keys = np.fromiter(map(_word, instruments), dtype=np.uint64, count=len(instruments))
            ids = np.fromiter(instruments.values(), dtype=np.uint32, count=len(instruments))
            # The added entry replaces one with the same key: with another id it is another instrument (ids are reused).
            known = np.isin(self._keys, keys, invert=True)
            if not known.all():
                replaced = np.setdiff1d(self._ids[~known], ids).tolist()
            self._rebuild(np.concatenate((self._keys[known], keys)), np.concatenate((self._ids[known], ids)))
            for slot in self._slots_of(self._recalled):
                self._refer_to(slot, self._recalled[int(self._ids[slot])])
        return replaced

    def remove(self, instruments: Iterable[InstrumentKey]) -> list[int]:
        """Remove instruments and return their ids; their later packets count as strangers."""
        gone = np.fromiter(map(_word, instruments), dtype=np.uint64)
        return self._drop(np.isin(self._keys, gone))

    def retain(self, instruments: Iterable[InstrumentKey]) -> list[int]:
        """Remove all other instruments than `instruments`; return the ids of the removed ones."""
        stays = np.fromiter(map(_word, instruments), dtype=np.uint64)
        return self._drop(np.isin(self._keys, stays, invert=True))

    def _drop(self, goes: npt.NDArray[np.bool_]) -> list[int]:
        ids: list[int] = self._ids[goes].tolist()
        if ids:
            self._rebuild(self._keys[~goes], self._ids[~goes])
        return ids

    def absorb(self, *, received_at_ms: int, ended: EndedDays = NONE_ENDED) -> int:
        """Read the messages appended since the last call; return how many packets they held.

        `ended` also holds for snapshots until the next call.
        """
        self._ended = ended
        if not self._messages:
            return 0
        buffer = b"".join(self._messages)
        self.counters.bytes += len(buffer)
        offsets = find_packets(self._messages, buffer, self.counters)
        self._messages.clear()
        if len(offsets):
            self._scatter(buffer, offsets, received_at_ms)
        return len(offsets)

    def seed(self, rows: Rows) -> int:
        """Take broker snapshots for instruments without a price on this socket; return how many were taken.

        What a packet of this socket said is never overwritten, and an older price only by a price. `rows` come
        without marks.
        """
        place = {int(instrument_id): slot for slot, instrument_id in enumerate(self._ids)}
        lacks_price = self._lacks_price()
        needs_close = close_rules.needs_snapshot(self._rows, self._memory, self._ended)
        taken = 0
        for sent in rows:
            slot = place.get(int(sent["instrument_id"]))
            if slot is None or not (lacks_price[slot] or needs_close[slot]):
                continue
            ended_day = self._ended.get(int(self._rows["segment"][slot]), -1)
            row = close_rules.without_doubtful_close(sent, ended_day=ended_day)
            # A price of this socket is newer than any snapshot: only a lost close is taken.
            if not lacks_price[slot]:
                if close_rules.fill_close(self._rows, self._memory, slot, row):
                    self._changed[slot] = self._uncached[slot] = True
            # A snapshot without a price must not erase the older price: that is still the best that is known.
            elif row["known"] & Known.TRADE or not self._rows["known"][slot] & Known.TRADE:
                self._merge(slot, row)
                taken += 1
        return taken

    def _merge(self, slot: int, snapshot: np.void) -> None:
        """Replace a row with a snapshot.

        Open interest and closes of packets stay unless they are older, and the volume continues theirs.
        """
        # A copy: `self._rows[slot]` is a view, and the assignment below overwrites it.
        held = self._rows[slot].copy()
        stays = int(held["known"]) & (Known.OI | Known.PREVIOUS_CLOSE | Known.DAY_CLOSE)
        # Open interest of the former socket is older than the snapshot.
        if held["known"] & Known.EARLIER and not self._has_packet[slot]:
            stays &= ~Known.OI
        self._rows[slot] = snapshot
        row = self._rows[slot]
        row["segment"], row["volume"] = held["segment"], held["volume"]
        if snapshot["known"] & Known.DAY:
            self._write_volume(
                slot, DayVolume(int(snapshot["volume"]), int(snapshot["ltt"])), snapshot["received_at_ms"]
            )
        said = int(snapshot["known"])
        if stays & Known.OI:
            row["oi"] = held["oi"]
        if stays & _CLOSES:
            row["previous_close"], row["previous_oi"] = held["previous_close"], held["previous_oi"]
            said &= ~_CLOSES
        row["known"] = said | stays | Known.SNAPSHOT
        self._changed[slot] = self._uncached[slot] = True

    def _write_volume(self, slot: int, sent: DayVolume, received_at_ms: int) -> None:
        known = DayVolume(int(self._rows["volume"][slot]), int(self._memory.volume_ltt[slot]))
        self._set_volume(slot, unwrap_volume(sent, known, today=day_in_india(int(received_at_ms))))
        self._memory.volume_ltt[slot] = sent.ltt

    def _set_volume(self, slot: int, volume: int) -> None:
        self._rows["volume"][slot] = volume
        self._memory.note_volume(volume)

    def _lacks_price(self) -> npt.NDArray[np.bool_]:
        known = self._rows["known"]
        # EARLIER counts as missing: the price of a former socket may be minutes old.
        is_silent = known & np.uint16(Known.TRADE | Known.SNAPSHOT) == 0
        return np.asarray(is_silent | (known & np.uint16(Known.EARLIER) != 0))

    def list_large_volumes(self) -> Mapping[int, DayVolume]:
        """Return the volumes by instrument id that may wrap or have wrapped: those above half the range of the wire."""
        slots = np.flatnonzero(self._rows["volume"] > LARGEST_VOLUME_FALL)
        volumes, ltts = self._rows["volume"][slots].tolist(), self._memory.volume_ltt[slots].tolist()
        return dict(zip(self._ids[slots].tolist(), map(DayVolume, volumes, ltts), strict=True))

    def recall_volumes(self, volumes: Mapping[int, DayVolume], *, now_ms: int) -> None:
        """Continue volumes that other owners have counted today, by instrument id, in present rows and in later ones.

        The packets of this connection alone do not show the wraps before its first one.
        """
        self._recalled = volumes
        for slot in self._slots_of(volumes):
            counted = volumes[int(self._ids[slot])]
            volume = int(self._rows["volume"][slot])
            here = DayVolume(volume, int(self._memory.volume_ltt[slot]))
            if (continued := unwrap_volume(here, counted, today=day_in_india(now_ms))) != volume:
                self._set_volume(slot, continued)
                self._changed[slot] = self._uncached[slot] = True
            self._refer_to(slot, counted)

    def _slots_of(self, instrument_ids: Collection[int]) -> list[int]:
        if not instrument_ids:
            return []
        slots: list[int] = np.flatnonzero(np.isin(self._ids, np.fromiter(instrument_ids, dtype=np.uint32))).tolist()
        return slots

    def _refer_to(self, slot: int, counted: DayVolume) -> None:
        """Let the first packet of a row continue `counted`."""
        # The bytes of an unknown volume have no other meaning (`Known.DAY`).
        if not self._memory.volume_ltt[slot] and not self._rows["known"][slot] & Known.DAY:
            self._set_volume(slot, counted.volume)
            self._memory.volume_ltt[slot] = counted.ltt

    def ids_with_packets(self) -> frozenset[int]:
        """Return the ids of instruments that had at least one packet since the socket opened."""
        return frozenset(self._ids[self._has_packet].tolist())

    def ids_to_seed(self) -> frozenset[int]:
        """Return the ids of instruments that a snapshot can help.

        They have no price on this socket, of a packet or a snapshot, or no previous close of the session that runs.
        """
        return frozenset(
            self._ids[self._lacks_price() | close_rules.needs_snapshot(self._rows, self._memory, self._ended)].tolist()
        )

    def ids_without_close(self) -> frozenset[int]:
        """Return the ids of instruments with a price and without a previous close."""
        return frozenset(self._ids[close_rules.lacks_close(self._rows)].tolist())

    def learn_closes(self, closes: Mapping[int, close_rules.RecordedClose]) -> int:
        """Take recorded closes, by instrument id, where none is known; return how many were taken."""
        taken = 0
        for slot in np.flatnonzero(close_rules.lacks_close(self._rows)).tolist():
            close = closes.get(int(self._ids[slot]))
            if close is not None and close_rules.learn_close(self._rows, self._memory, slot, close):
                self._changed[slot] = self._uncached[slot] = True
                taken += 1
        return taken

    def take_changes(self) -> Rows:
        """Return copies of the rows that changed since the last call."""
        return self._take(self._changed)

    def take_uncached(self) -> Rows:
        """Return copies of the rows that changed since the last call of this method."""
        return self._take(self._uncached)

    def all_rows(self) -> Rows:
        """Return copies of all rows of which something is known."""
        return self._copies(np.flatnonzero(self._rows["known"]))

    def _take(self, marks: npt.NDArray[np.bool_]) -> Rows:
        slots = np.flatnonzero(marks)
        marks[slots] = False
        return self._copies(slots)

    def _copies(self, slots: _Integers) -> Rows:
        return opaque(self._rows, 0, QUOTE_ROW.itemsize)[slots].view(QUOTE_ROW)

    def _lay_out(self, keys: _Words, ids: npt.NDArray[np.uint32]) -> None:
        """Create blank rows for `keys`, which are sorted."""
        self._keys, self._ids = keys, ids
        self._index = KeyIndex(keys)
        self._rows = np.zeros(len(keys), dtype=QUOTE_ROW)
        self._rows["instrument_id"] = ids
        # See `_word`: the low byte of a key is the segment.
        self._rows["segment"] = keys & 0xFF
        self._memory = Memory.blank(self._rows["segment"])
        self._has_packet, self._changed, self._uncached = (np.zeros(len(keys), dtype=np.bool_) for _ in range(3))

    def _rebuild(self, keys: _Words, ids: npt.NDArray[np.uint32]) -> None:
        """Rebuild the rows for `keys`; an instrument that stays with the same id keeps its values and marks."""
        # Sorted, because the index also searches them.
        order = np.argsort(keys)
        keys, ids = keys[order], ids[order]
        old_keys, old_ids, old_rows, old_memory = self._keys, self._ids, self._rows, self._memory
        old_marks = (self._has_packet, self._changed, self._uncached)
        self._lay_out(keys, ids)
        slots, found = self._index.find(old_keys)
        stays = np.flatnonzero(found)
        stays = stays[ids[slots[stays]] == old_ids[stays]]
        size = QUOTE_ROW.itemsize
        opaque(self._rows, 0, size)[slots[stays]] = opaque(old_rows, 0, size)[stays]
        self._memory.copy_from(old_memory, to=slots[stays], source=stays)
        self._traffic.rebuild(len(keys), to=slots[stays], source=stays)
        for new, old in zip((self._has_packet, self._changed, self._uncached), old_marks, strict=True):
            new[slots[stays]] = old[stays]

    def _scatter(self, buffer: bytes, offsets: _Integers, received_at_ms: int) -> None:
        headers = headers_at(buffer, offsets)
        codes = (headers & 0xFF).astype(np.uint8)
        disconnects = offsets[codes == _DISCONNECT]
        if len(disconnects):
            self.disconnect_reason = DISCONNECT.unpack_from(buffer, int(disconnects[-1]))[4]
        # Without code and length (24 bits) a header is a key as `_word` makes it.
        slots, is_mine = self._index.find(headers >> _KEY_SHIFT)
        is_tick = IS_TICK[codes]
        is_mine &= is_tick
        self.counters.strangers += int(np.count_nonzero(is_tick)) - int(np.count_nonzero(is_mine))
        self._write(Ticks(buffer, slots, offsets, codes).only(is_mine), received_at_ms)

    def _write(self, ticks: Ticks, received_at_ms: int) -> None:
        check = check_ticks(ticks, self._rows, self._memory, received_at_ms=received_at_ms, ended=self._ended)
        for fault, count in check.faults.items():
            setattr(self.counters, fault.value, getattr(self.counters, fault.value) + count)
        # Rejected ticks count, too: they prove the subscription, and they can set the suspect mark.
        self._changed[ticks.slots] = self._uncached[ticks.slots] = self._has_packet[ticks.slots] = True
        self._traffic.count(ticks.slots, received_at_ms=received_at_ms)
        accepted = ticks.only(check.is_accepted)
        writer = RowWriter(self._rows, ticks.buffer, received_at_ms)
        writer.stamp(accepted.slots)
        newest = np.full(len(self._rows), _NOTHING, dtype=np.int64)
        present = np.bincount(accepted.codes, minlength=len(IS_TICK)) > 0
        # A full packet writes all fields of a quote, a quote all of a ticker. So codes that write more fields come
        # first, and each other code is written only where it arrived later: `newest` has the last offset per row.
        for code, write in WRITERS:
            if present[code]:
                chosen = accepted.only(accepted.codes == code)
                write(writer, chosen.slots, chosen.at, newest)
        write_results(check, self._rows, self._memory)


def _word(key: InstrumentKey) -> int:
    """Return `key` as a header without its code and length reads: security id above segment."""
    return key.security_id << 8 | key.segment
