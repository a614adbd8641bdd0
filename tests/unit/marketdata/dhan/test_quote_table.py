"""The vectorized table against the slow path: `packets.split`, `packets.decode` and `apply_tick` for each packet."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.dhan import packets
from marketdata.dhan.packets import DisconnectPacket, MarketStatus
from marketdata.dhan.quote_table import QuoteTable
from marketdata.domain.instruments import InstrumentKey
from marketdata.domain.quote_rows import Known, Rows
from marketdata.domain.quotes import (
    DepthLevel,
    FullTick,
    OiTick,
    PreviousCloseTick,
    Quote,
    QuoteTick,
    Tick,
    TickerTick,
    updated,
)
from marketdata.domain.tick_rules import NONE_ENDED, EndedDays, TickFault, TrackedQuote, apply_tick
from tests.frame_readers import quote_of
from tests.unit.marketdata.dhan.quote_tables import (
    FUTURE,
    IDS,
    KEY_OF,
    NIFTY,
    OPTION,
    STRANGER,
    feed,
    make_table,
    quotes_of,
)

prices = st.floats(width=32, allow_nan=False)
u32 = st.integers(0, 2**32 - 1)
u16 = st.integers(0, 2**16 - 1)
keys = st.sampled_from([*IDS, STRANGER])
levels = st.builds(DepthLevel, u32, u32, u16, u16, prices, prices)
# Prices of similar size, of which most are accepted, and every kind of rejected price.
ltps = st.one_of(st.floats(50, 500, width=32), st.sampled_from([0.0, -0.0, -1.0, 5.0, 4_999.0]), st.floats(width=32))
DAY = 86_400
NOON = 20_700 * DAY + DAY // 2  # trade times: IST written as if UTC
ltts = st.one_of(
    st.integers(NOON, NOON + 3),
    st.builds(lambda day, second: NOON + day * DAY + second, st.integers(-2, 3), st.integers(0, 3)),
    st.sampled_from([0, 315_532_800]),
    u32,
)
tickers = st.builds(TickerTick, keys, ltps, ltts)
ticks: st.SearchStrategy[Tick] = st.one_of(
    tickers,
    st.builds(PreviousCloseTick, keys, prices, u32),
    st.builds(OiTick, keys, u32),
    st.builds(QuoteTick, keys, ltps, u16, ltts, prices, u32, u32, u32, prices, prices, prices, prices),
    st.builds(
        FullTick,
        keys,
        *(ltps, u16, ltts, prices, *(u32,) * 6),
        *(prices,) * 4,
        st.tuples(levels, levels, levels, levels, levels),
    ),
)
anything = st.one_of(
    ticks, ticks, ticks, st.builds(MarketStatus), st.builds(DisconnectPacket, st.sampled_from([800, 805, 807]))
)
index_packets = tickers.map(lambda tick: b"\x01" + packets.encode(tick)[1:])
known_packets = st.one_of(anything.map(packets.encode), index_packets)
# An unknown code or a wrong length, with a consistent header.
odd_packets = st.builds(
    lambda code, body: packets.HEADER.pack(code, 8 + len(body), 2, 40472) + body,
    st.sampled_from([0, 3, 41, 8, 2]),
    st.binary(min_size=1, max_size=3),
)
messages = st.lists(st.one_of(known_packets, known_packets, odd_packets), max_size=6).map(b"".join)
cut_messages = st.builds(lambda whole, cut: whole[:-cut], messages.filter(lambda one: len(one) > 8), st.integers(1, 7))
flushes = st.lists(st.lists(st.one_of(messages, messages, cut_messages), max_size=12), max_size=4)


def apply_slowly(
    windows: Sequence[tuple[int, Sequence[bytes]]], ended: EndedDays = NONE_ENDED
) -> tuple[dict[InstrumentKey, TrackedQuote], Counter[str]]:
    """Return the quotes and the rejected ticks of messages by the slow path, one packet after the other."""
    tracked = {key: TrackedQuote(Quote(key)) for key in IDS}
    faults: Counter[str] = Counter()
    for received_at_ms, window in windows:
        for tick in (one for message in window for one in decode_slowly(message)):
            if tick.key in tracked:
                tracked[tick.key], fault = apply_tick(
                    tracked[tick.key], tick, received_at_ms=received_at_ms, ended=ended
                )
                faults.update([] if fault is None else [fault.value])
    return tracked, faults


def known_quotes(tracked: Mapping[InstrumentKey, TrackedQuote]) -> dict[InstrumentKey, tuple[Quote, bool]]:
    return {
        key: (one.quote, one.is_suspect) for key, one in tracked.items() if one.quote != Quote(key) or one.is_suspect
    }


def quotes_in(rows: Rows) -> dict[InstrumentKey, tuple[Quote, bool]]:
    quotes = quotes_of(rows)
    return {
        (key := KEY_OF[int(row["instrument_id"])]): (quotes[key], bool(row["known"] & Known.SUSPECT)) for row in rows
    }


def decode_slowly(message: bytes) -> Sequence[Tick]:
    found: list[Tick] = []
    try:
        for packet in packets.split(message):
            try:
                decoded = packets.decode(packet)
            except packets.DecodeError:
                continue
            if not isinstance(decoded, MarketStatus | DisconnectPacket):
                found.append(decoded)
    except packets.DecodeError:
        pass
    return found


# The segments without a session now, and the day of their last one: some before, some after the ticks.
ended_days = st.dictionaries(
    st.sampled_from([int(key.segment) for key in IDS]),
    st.integers(-2, 1).map(lambda day: NOON // DAY + day),
    max_size=3,
)


@given(flushes=flushes, days=st.lists(st.integers(-1, 2), min_size=4, max_size=4), ended=ended_days)
def test_any_stream_with_any_flushes_gives_the_quotes_of_the_slow_path(
    flushes: list[list[bytes]], days: list[int], ended: dict[int, int]
) -> None:
    table = make_table()
    mirror: dict[InstrumentKey, tuple[Quote, bool]] = {}
    windows = [((NOON + day * DAY - 19_800) * 1_000, window) for day, window in zip(days, flushes, strict=False)]

    for at_ms, window in windows:
        for message in window:
            table.append(message)
        table.absorb(received_at_ms=at_ms, ended=ended)
        mirror |= {key: one for key, one in quotes_in(table.take_changes()).items() if one != (Quote(key), False)}

    tracked, faults = apply_slowly(windows, ended)
    assert quotes_in(table.all_rows()) == known_quotes(tracked)
    assert mirror == known_quotes(tracked)
    assert Counter({kind.value: getattr(table.counters, kind.value) for kind in TickFault}) == faults


@given(flushes=st.lists(st.lists(st.sampled_from([100.0, 101.0, 5_000.0]), min_size=1, max_size=3), max_size=12))
def test_consecutive_jumps_are_counted_across_flushes(flushes: list[list[float]]) -> None:
    table = make_table()
    at_ms = (NOON - 19_800) * 1_000
    windows = [(at_ms, [packets.encode(TickerTick(NIFTY, ltp, NOON)) for ltp in flush]) for flush in flushes]

    for _, window in windows:
        for message in window:
            table.append(message)
        table.absorb(received_at_ms=at_ms)

    tracked, faults = apply_slowly(windows)
    assert quotes_in(table.all_rows()) == known_quotes(tracked)
    assert table.counters.jump == faults["jump"]


@given(buffers=st.lists(st.binary(max_size=200), max_size=20))
def test_arbitrary_bytes_give_the_quotes_of_the_slow_path(buffers: list[bytes]) -> None:
    table = make_table()
    for buffer in buffers:
        table.append(buffer)

    table.absorb(received_at_ms=1)

    assert quotes_in(table.all_rows()) == known_quotes(apply_slowly([(1, buffers)])[0])


def test_a_change_is_returned_once() -> None:
    table = make_table()
    feed(table, TickerTick(NIFTY, 23378.25, 1781084997), at_ms=1_781_065_197_817)

    changes = table.take_changes()

    assert changes["instrument_id"].tolist() == [101]
    assert changes["ltp"].tolist() == [23378.25]
    assert changes["received_at_ms"].tolist() == [1_781_065_197_817]
    assert changes["known"].tolist() == [Known.TRADE]
    assert len(table.take_changes()) == 0


def test_changes_for_frames_and_changes_for_the_cache_are_independent() -> None:
    table = make_table()
    feed(table, OiTick(OPTION, 5))

    table.take_changes()

    assert table.take_uncached()["oi"].tolist() == [5]
    assert len(table.take_uncached()) == 0


def test_returned_changes_are_copies() -> None:
    table = make_table()
    feed(table, OiTick(OPTION, 5))
    changes = table.take_changes()

    feed(table, OiTick(OPTION, 6))

    assert changes["oi"].tolist() == [5]


def test_packets_before_an_invalid_remainder_are_applied_and_the_remainder_is_counted() -> None:
    table = make_table()
    table.append(packets.encode(OiTick(OPTION, 7)) + packets.encode(OiTick(FUTURE, 8))[:11])

    count = table.absorb(received_at_ms=1)

    assert count == 1
    assert quotes_of(table.all_rows()) == {OPTION: Quote(OPTION, oi=7)}
    assert (table.counters.packets, table.counters.malformed, table.counters.unknown) == (1, 1, 0)


def test_unknown_codes_and_strangers_are_counted_and_change_nothing() -> None:
    table = make_table()
    table.append(packets.HEADER.pack(3, 8, 2, 40472))
    table.append(packets.encode(OiTick(STRANGER, 7)))
    table.append(b"")

    table.absorb(received_at_ms=1)

    assert len(table.all_rows()) == 0
    assert (table.counters.packets, table.counters.strangers, table.counters.unknown) == (1, 1, 1)
    assert table.counters.malformed == 0


def test_the_code_of_a_disconnect_packet_is_stored_even_if_it_is_stacked() -> None:
    table = make_table()
    table.append(packets.encode(OiTick(OPTION, 7)) + packets.encode(DisconnectPacket(805)))

    table.absorb(received_at_ms=1)

    assert table.disconnect_reason == 805
    assert quotes_of(table.all_rows()) == {OPTION: Quote(OPTION, oi=7)}


def test_a_table_without_instruments_counts_every_packet_as_a_stranger() -> None:
    table = QuoteTable()

    feed(table, OiTick(OPTION, 7), TickerTick(NIFTY, 1.0, 1))

    assert table.counters.strangers == 2
    assert len(table.all_rows()) == 0


def test_values_are_unchanged_when_other_instruments_are_added_and_removed() -> None:
    table = make_table()
    feed(table, OiTick(OPTION, 7), TickerTick(NIFTY, 1.5, 9))

    removed = table.remove([NIFTY, FUTURE, STRANGER])
    table.add({STRANGER: 900, OPTION: 102})
    feed(table, OiTick(STRANGER, 8), TickerTick(NIFTY, 2.5, 9), at_ms=2_000)

    rows = {int(row["instrument_id"]): row for row in table.all_rows()}
    assert sorted(removed) == [101, 104]
    assert sorted(rows) == [102, 900]
    assert rows[102]["oi"] == 7
    assert rows[102]["received_at_ms"] == 1_000
    assert rows[900]["oi"] == 8
    assert table.counters.strangers == 1
    assert table.streaming == 2
    assert len(table) == 3


def test_a_pending_change_survives_a_rebuild() -> None:
    table = make_table()
    feed(table, OiTick(OPTION, 7))

    table.add({STRANGER: 900})

    assert table.take_changes()["instrument_id"].tolist() == [102]
    assert table.take_uncached()["instrument_id"].tolist() == [102]


def test_a_key_under_a_new_id_starts_unknown() -> None:
    table = make_table()
    feed(table, OiTick(OPTION, 7))

    table.add({OPTION: 202})

    assert len(table.all_rows()) == 0
    assert table.ids_to_seed() == frozenset({101, 202, 103, 104})


@pytest.mark.parametrize("name", ["ticker-nifty", "prev-close-nse-eq", "oi-nse-fno", "quote-nse-fno", "full-nse-fno"])
def test_reference_packets_give_the_quotes_of_the_slow_path(name: str, reference_data: Path) -> None:
    vectors = json.loads((reference_data / "feed-vectors.json").read_text())["vectors"]
    packet = bytes.fromhex(next(one for one in vectors if one["name"] == name)["hex"])
    tick = packets.decode(packet)
    assert not isinstance(tick, MarketStatus | DisconnectPacket)
    table = QuoteTable()
    table.add({tick.key: 1})

    table.append(packet)
    table.absorb(received_at_ms=1_800_000_000_000)

    expected = updated(Quote(tick.key), tick)
    if isinstance(tick, QuoteTick | FullTick) and tick.day_close > 0:
        expected = replace(expected, previous_close=tick.day_close)
    assert quote_of(table.all_rows()[0], tick.key) == expected


def test_a_key_with_another_id_returns_the_id_that_it_replaces() -> None:
    table = make_table()

    assert table.add({NIFTY: IDS[NIFTY], OPTION: 999}) == [IDS[OPTION]]
    assert table.add({OPTION: 999}) == []


def test_messages_wait_until_they_are_absorbed() -> None:
    table = make_table()
    table.append(packets.encode(TickerTick(NIFTY, 25_000.0, 1)))
    table.append(b"")

    waiting = table.waiting
    table.absorb(received_at_ms=1)

    assert (waiting, table.waiting) == (2, 0)
