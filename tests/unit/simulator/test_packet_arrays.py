"""The vectorized encoder writes the same bytes as the encoder of single packets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.dhan import packets
from marketdata.dhan.packets import LENGTH_OF, Packet, PacketCode
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import DepthLevel, FullTick, OiTick, PreviousCloseTick, QuoteTick, TickerTick
from simulator.market import Market
from simulator.packet_arrays import BODY, PacketWriter, frame_prefix, split, stack
from simulator.packet_faults import PacketFaults
from tests.unit.simulator.listings import make_market


@pytest.fixture(scope="module")
def market() -> Market:
    return make_market()


@pytest.fixture(scope="module")
def rows(market: Market) -> list[int]:
    keys = [
        InstrumentKey(ExchangeSegment.IDX_I, 51),
        InstrumentKey(ExchangeSegment.NSE_EQ, 2885),
        *(key for key in market.contracts.keys if key.segment is ExchangeSegment.NSE_FNO),
    ]
    return [market.row_of[key] for key in keys[:40]]


def full_tick(market: Market, row: int) -> FullTick:
    values = dict(zip(BODY.names or (), market.bodies[row].item(), strict=True))
    one, two, three, four, five = (DepthLevel(*level) for level in values.pop("depth").tolist())
    return FullTick(market.contracts.keys[row], **values, depth=(one, two, three, four, five))


def quote_tick(full: FullTick) -> QuoteTick:
    return QuoteTick(**{name: getattr(full, name) for name in QuoteTick.__slots__})


def encoded(found: list[Packet]) -> bytes:
    return b"".join(packets.encode(packet) for packet in found)


@pytest.fixture
def writer(market: Market) -> PacketWriter:
    return PacketWriter(market.contracts.heads, market.bodies, framed=False)


def test_full_packets_equal_those_of_the_single_encoder(market: Market, rows: list[int], writer: PacketWriter) -> None:
    assert writer.fulls(np.array(rows)) == encoded([full_tick(market, row) for row in rows])


def test_quote_packets_equal_those_of_the_single_encoder(market: Market, rows: list[int], writer: PacketWriter) -> None:
    assert writer.quotes(np.array(rows)) == encoded([quote_tick(full_tick(market, row)) for row in rows])


def test_open_interest_comes_before_its_quote(market: Market, rows: list[int], writer: PacketWriter) -> None:
    expected: list[Packet] = []
    for full in (full_tick(market, row) for row in rows):
        expected += [OiTick(full.key, full.oi), quote_tick(full)]

    assert writer.oi_and_quotes(np.array(rows)) == encoded(expected)


def test_tickers_and_previous_closes_equal_those_of_the_single_encoder(
    market: Market, rows: list[int], writer: PacketWriter
) -> None:
    fulls = [full_tick(market, row) for row in rows]

    assert writer.tickers(np.array(rows)) == encoded([TickerTick(full.key, full.ltp, full.ltt) for full in fulls])
    assert writer.previous_closes(np.array(rows)) == encoded(
        [PreviousCloseTick(full.key, full.day_close, 0) for full in fulls]
    )


def test_a_framed_packet_is_a_separate_websocket_message(market: Market, rows: list[int]) -> None:
    framed = PacketWriter(market.contracts.heads, market.bodies, framed=True)
    plain = PacketWriter(market.contracts.heads, market.bodies, framed=False)
    two = np.array(rows[:2])

    full = plain.fulls(two)
    assert framed.fulls(two) == b"\x82\x7e\x00\xa2" + full[:162] + b"\x82\x7e\x00\xa2" + full[162:]
    ticker = plain.tickers(two)
    assert framed.tickers(two) == b"\x82\x10" + ticker[:16] + b"\x82\x10" + ticker[16:]


@pytest.mark.parametrize(
    ("length", "prefix"), [(0, b"\x82\x00"), (125, b"\x82\x7d"), (126, b"\x82\x7e\x00\x7e"), (162, b"\x82\x7e\x00\xa2")]
)
def test_a_frame_encodes_its_length_as_in_rfc_6455(length: int, prefix: bytes) -> None:
    assert frame_prefix(length) == prefix


@given(
    codes=st.lists(st.sampled_from(sorted(LENGTH_OF)), min_size=1, max_size=3),
    groups=st.integers(0, 40),
    count=st.integers(1, 300),
)
def test_stacked_packets_equal_those_of_the_fault(codes: list[PacketCode], groups: int, count: int) -> None:
    lengths = [LENGTH_OF[code] for code in codes]
    data = b"".join(bytes([code]) + bytes(range(1, LENGTH_OF[code])) for code in codes) * groups

    stacked = stack(data, lengths, count=count)

    one_by_one = PacketFaults(7).messages(split(data, lengths), {"stacked": count})
    assert stacked == b"".join(frame_prefix(len(message)) + message for message in one_by_one)
