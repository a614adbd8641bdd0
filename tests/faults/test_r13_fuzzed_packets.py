"""R13: arbitrary bytes through both decoders: no crash, no read beyond a message, and whole packets around an invalid
one are still decoded where lengths allow.

A comparison shows that the fast decoder reads nothing beyond a message: it reads thousands of messages as one buffer,
while the slow decoder gets one message at a time.
"""

from collections import Counter
from collections.abc import Iterable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from marketdata.dhan import packets
from marketdata.dhan.packets import HEADER, LENGTH_OF, DecodeError, PacketCode
from marketdata.dhan.quote_table import QuoteTable
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import OiTick
from tests.faults.fuzzed_buffers import make_messages
from tests.unit.marketdata.dhan.quote_tables import IDS, make_table
from tests.unit.marketdata.dhan.test_quote_table import apply_slowly, known_quotes, quotes_in

BUFFERS = 1_000_000
ROUND = 20_000
COMPARED_ROUNDS = 5
DECODED_EVERY = 5
"""The slow decoder finds the packets of every round and decodes those of each fifth: a million would take most time."""
RECEIVED_AT_MS = 1_781_065_197_817
LENGTH_BY_NUMBER = {int(code): length for code, length in LENGTH_OF.items()}
FIRST, SECOND = (InstrumentKey(ExchangeSegment.NSE_FNO, 40472), InstrumentKey(ExchangeSegment.MCX_COMM, 2**31 - 1))


def walk(message: bytes) -> tuple[list[bytes], int]:
    """Return the packets of a message by the slow decoder, and 1 if bytes that are no packet follow them."""
    found: list[bytes] = []
    stopped_at = len(message)
    try:
        for packet in packets.split(message):
            found.append(packet)  # noqa: PERF402  # A comprehension would lose the packets before the refusal.
    except DecodeError as refusal:
        stopped_at = refusal.offset
    assert stopped_at == sum(map(len, found)), "a refusal gives the offset at which the whole packets end"
    return found, int(stopped_at < len(message))


def is_known(packet: bytes) -> bool:
    """Return whether a packet has a known code and the length of that code."""
    return LENGTH_BY_NUMBER.get(packet[0]) == len(packet)


def count_readably(messages: Iterable[bytes]) -> Counter[str]:
    """Return the counters that the fast decoder must have."""
    counts: Counter[str] = Counter()
    for message in messages:
        found, malformed = walk(message)
        counts["malformed"] += malformed
        known = sum(map(is_known, found))
        counts["packets"] += known
        counts["unknown"] += len(found) - known
    return counts


def count_refused(messages: Iterable[bytes]) -> int:
    """Return how many packets the slow decoder refuses; each is decoded or refused with DecodeError."""
    refused = 0
    for message in messages:
        for packet in walk(message)[0]:
            try:
                packets.decode(packet)
            except DecodeError:
                refused += 1
    return refused


def absorb(table: QuoteTable, messages: Iterable[bytes]) -> None:
    for message in messages:
        table.append(message)
    table.absorb(received_at_ms=RECEIVED_AT_MS)


def test_r13_both_decoders_agree_on_a_million_fuzzed_buffers() -> None:
    rng = np.random.default_rng(13)
    keys = [*IDS, InstrumentKey(ExchangeSegment.NSE_EQ, 1333)]
    table = make_table()
    expected: Counter[str] = Counter()
    buffers = 0

    for number in range(BUFFERS // ROUND):
        messages = make_messages(ROUND, keys=keys, rng=rng)
        buffers += len(messages)
        expected += count_readably(messages)
        absorb(table, messages)
        found = {name: getattr(table.counters, name) for name in ("packets", "unknown", "malformed")}
        assert found == {name: expected[name] for name in found}, f"round {number}"
        if number % DECODED_EVERY == 0:
            expected["refused"] += count_refused(messages)
        if number < COMPARED_ROUNDS:
            fresh = make_table()
            absorb(fresh, messages)
            # Compared as text, because NaN is not equal to itself.
            expected_rows = known_quotes(apply_slowly([(RECEIVED_AT_MS, messages)])[0])
            assert repr(quotes_in(fresh.all_rows())) == repr(dict(sorted(expected_rows.items(), key=by_id)))

    assert buffers == BUFFERS
    # The fuzz must reach every branch often to prove anything.
    assert min(expected[name] for name in ("packets", "unknown", "malformed")) > BUFFERS // 20
    assert expected["refused"] > BUFFERS // DECODED_EVERY // 20


def by_id(item: tuple[InstrumentKey, object]) -> int:
    return item[0].security_id << 8 | item[0].segment


good = st.builds(OiTick, st.sampled_from([FIRST, SECOND]), st.integers(0, 2**32 - 1))
unknown_codes = st.sampled_from(sorted(set(range(256)) - set(LENGTH_OF)))
lengths_of_no_code = st.integers(0, 200).filter(lambda size: size + HEADER.size not in LENGTH_OF.values())
# Invalid packets with a consistent header: decoding continues behind them.
passable = st.builds(
    lambda code, body: HEADER.pack(code, HEADER.size + len(body), 2, 40472) + body,
    st.one_of(unknown_codes, st.sampled_from(sorted(LENGTH_OF))),
    lengths_of_no_code.flatmap(lambda size: st.binary(min_size=size, max_size=size)),
)
# The start of the next packet is unknown.
impassable = st.one_of(
    st.binary(min_size=1, max_size=HEADER.size - 1),
    st.builds(lambda length: HEADER.pack(PacketCode.OI, length, 2, 40472), st.integers(0, HEADER.size - 1)),
    st.builds(lambda length: HEADER.pack(PacketCode.OI, length, 2, 40472), st.integers(4_096, 2**16 - 1)),
)


@given(before=good, bad=st.lists(passable, min_size=1, max_size=4), after=good)
def test_r13_whole_packets_on_both_sides_of_a_bad_one_are_decoded(
    before: OiTick, bad: list[bytes], after: OiTick
) -> None:
    message = b"".join([packets.encode(before), *bad, packets.encode(after)])
    table = make_table()

    absorb(table, [message])

    ticks = [packets.decode(one) for one in packets.split(message) if is_known(one)]
    assert ticks == [before, after]
    assert {int(row["instrument_id"]): int(row["oi"]) for row in table.all_rows()} == {
        IDS[before.key]: before.oi,
        IDS[after.key]: after.oi,
    }
    assert (table.counters.packets, table.counters.unknown, table.counters.malformed) == (2, len(bad), 0)


@given(before=good, bad=impassable, lost=good, after=good)
def test_r13_an_inconsistent_length_costs_the_rest_of_its_message_and_nothing_of_the_next(
    before: OiTick, bad: bytes, lost: OiTick, after: OiTick
) -> None:
    message = packets.encode(before) + bad + (packets.encode(lost) if len(bad) == HEADER.size else b"")
    table = make_table()

    absorb(table, [message, packets.encode(after)])

    found, malformed = walk(message)
    assert ([packets.decode(one) for one in found], malformed) == ([before], 1)
    assert {int(row["instrument_id"]): int(row["oi"]) for row in table.all_rows()} == {
        IDS[before.key]: before.oi,
        IDS[after.key]: after.oi,
    }
    assert (table.counters.packets, table.counters.unknown, table.counters.malformed) == (2, 0, 1)


@given(message=st.binary(max_size=2_000), neighbours=st.lists(st.binary(max_size=200), max_size=4))
def test_r13_a_message_is_decoded_independently_of_its_neighbors(message: bytes, neighbours: list[bytes]) -> None:
    alone, among = make_table(), make_table()

    absorb(alone, [message])
    absorb(among, [*neighbours, message, *neighbours])

    own, others = count_readably([message]), count_readably(neighbours)
    assert alone.counters.packets == own["packets"]
    assert count_refused([message]) <= own.total()
    assert among.counters.packets == own["packets"] + 2 * others["packets"]
    assert among.counters.malformed == own["malformed"] + 2 * others["malformed"]
