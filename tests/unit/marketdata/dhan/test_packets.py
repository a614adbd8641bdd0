"""Decoding of the broker's packets: from bytes of other encoders, and from arbitrary bytes."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.dhan import packets
from marketdata.dhan.packets import DecodeError, DisconnectPacket, MarketStatus, Packet
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import DepthLevel, FullTick, OiTick, PreviousCloseTick, QuoteTick, TickerTick

NIFTY = InstrumentKey(ExchangeSegment.IDX_I, 13)
HDFCBANK = InstrumentKey(ExchangeSegment.NSE_EQ, 1333)
OPTION = InstrumentKey(ExchangeSegment.NSE_FNO, 40472)

u16 = st.integers(0, 2**16 - 1)
u32 = st.integers(0, 2**32 - 1)
f32 = st.floats(width=32, allow_nan=False)
keys = st.builds(InstrumentKey, st.sampled_from(ExchangeSegment), u32)
levels = st.builds(DepthLevel, u32, u32, u16, u16, f32, f32)
quotes = (keys, f32, u16, u32, f32, u32, u32, u32)
ticks = st.one_of(
    st.builds(TickerTick, keys, f32, u32),
    st.builds(PreviousCloseTick, keys, f32, u32),
    st.builds(OiTick, keys, u32),
    st.builds(QuoteTick, *quotes, f32, f32, f32, f32),
    st.builds(FullTick, *quotes, u32, u32, u32, f32, f32, f32, f32, st.tuples(*[levels] * 5)),
)
any_packet = st.one_of(ticks, st.just(MarketStatus()), st.builds(DisconnectPacket, u16))


@pytest.fixture(scope="module")
def vectors(reference_data: Path) -> dict[str, Any]:
    listed = json.loads((reference_data / "feed-vectors.json").read_text())["vectors"]
    return {vector["name"]: vector for vector in listed}


def packet_of(vectors: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(vectors[name]["hex"])


def assert_reads(data: bytes, expected: Packet) -> None:
    """Assert equality; prices may differ by the rounding of float32."""
    found = packets.decode(data)
    assert packets.encode(found) == data
    assert packets.encode(expected) == data


def test_a_ticker_contains_a_price_and_a_time(vectors: dict[str, Any]) -> None:
    assert_reads(packet_of(vectors, "ticker-nifty"), TickerTick(NIFTY, ltp=23378.35, ltt=1781084997))


def test_a_previous_close_contains_yesterdays_open_interest(vectors: dict[str, Any]) -> None:
    assert_reads(packet_of(vectors, "prev-close-nse-eq"), PreviousCloseTick(HDFCBANK, 1691.2, 0))


def test_an_oi_packet_contains_one_number(vectors: dict[str, Any]) -> None:
    data = packet_of(vectors, "oi-nse-fno")

    assert packets.decode(data) == OiTick(OPTION, 11_760_060)
    assert packets.encode(OiTick(OPTION, 11_760_060)) == data


def test_a_quote_has_sell_before_buy_and_close_before_high(vectors: dict[str, Any]) -> None:
    expected = QuoteTick(
        OPTION,
        ltp=51.65,
        ltq=65,
        ltt=1773846225,
        average_price=54.01,
        volume=165_829_495,
        total_sell_quantity=1_894_360,
        total_buy_quantity=3_256_045,
        day_open=65.0,
        day_close=68.4,
        day_high=70.7,
        day_low=42.55,
    )

    assert_reads(packet_of(vectors, "quote-nse-fno"), expected)


def test_a_full_packet_ends_in_five_levels_best_first(vectors: dict[str, Any]) -> None:
    expected = FullTick(
        OPTION,
        ltp=48.05,
        ltq=65,
        ltt=1773846297,
        average_price=53.99,
        volume=166_578_230,
        total_sell_quantity=1_892_865,
        total_buy_quantity=3_146_975,
        oi=11_760_060,
        oi_day_high=12_791_805,
        oi_day_low=7_970_105,
        day_open=65.0,
        day_close=68.4,
        day_high=70.7,
        day_low=42.55,
        depth=(
            DepthLevel(130, 1885, 1, 9, 48.05, 48.1),
            DepthLevel(585, 6110, 3, 20, 48.0, 48.15),
            DepthLevel(2275, 4485, 12, 17, 47.95, 48.2),
            DepthLevel(4615, 3575, 20, 15, 47.9, 48.25),
            DepthLevel(5330, 2405, 12, 11, 47.85, 48.3),
        ),
    )

    assert_reads(packet_of(vectors, "full-nse-fno"), expected)


def test_a_disconnect_packet_contains_its_code(vectors: dict[str, Any]) -> None:
    assert packets.decode(packet_of(vectors, "disconnect-805")) == DisconnectPacket(805)


def test_a_market_status_packet_has_no_content(vectors: dict[str, Any]) -> None:
    assert packets.decode(packet_of(vectors, "market-status")) == MarketStatus()


def test_a_message_is_split_into_its_packets(vectors: dict[str, Any]) -> None:
    first, second = packets.split(packet_of(vectors, "two-packets-in-one-frame"))

    assert packets.decode(first) == TickerTick(HDFCBANK, 1689.25, 1773846225)
    assert packets.decode(second) == OiTick(OPTION, 11_760_060)


@pytest.mark.parametrize(
    ("name", "segment", "security_id", "ltp", "ltq"),
    [("issue90-frame-A", "NSE_FNO", 55796, 152.3, 75), ("issue90-frame-B", "NSE_FNO", 55795, 95.9, 300)],
)
def test_published_bytes_of_real_full_packets_fit_the_layout(
    vectors: dict[str, Any], name: str, segment: str, security_id: int, ltp: float, ltq: int
) -> None:
    """Only the first 16 and the last 8 of 162 bytes were published; the middle is filled with zeros."""
    first, last = (bytes.fromhex(vectors[name][part]) for part in ("first_bytes_hex", "last_bytes_hex"))

    tick = packets.decode(first + bytes(162 - 24) + last)

    assert isinstance(tick, FullTick)
    assert (tick.key, tick.ltq) == (InstrumentKey(ExchangeSegment[segment], security_id), ltq)
    assert tick.ltp == pytest.approx(ltp, rel=1e-6)
    assert tick.depth[4].bid_price == pytest.approx(vectors[name]["decoded"]["depth_level5_bid_price"], rel=1e-6)
    assert tick.depth[4].ask_price == pytest.approx(vectors[name]["decoded"]["depth_level5_ask_price"], rel=1e-6)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "header cut off"),
        (b"\x02\x10\x00", "header cut off"),
        (bytes.fromhex("63080000 00000000"), "unknown code 99"),
        (bytes.fromhex("02100006 0d000000 b3a4b646 4533296a"), "unknown exchange segment 6"),
        (bytes.fromhex("02110000 0d000000 b3a4b646 4533296a"), "TICKER packet of 16 bytes says 17, should be 16"),
        (bytes.fromhex("02100000 0d000000 b3a4b646"), "TICKER packet of 12 bytes says 16, should be 16"),
    ],
)
def test_invalid_packets_are_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as refusal:
        packets.decode(data)

    assert refusal.value.reason == reason


def test_packets_before_an_invalid_one_are_returned_and_the_error_has_its_offset() -> None:
    ticker = packets.encode(TickerTick(NIFTY, 25_900.0, 1_781_084_997))
    found: list[bytes] = []

    with pytest.raises(DecodeError) as refusal:
        found.extend(packets.split(ticker + ticker + ticker[:-1]))

    assert refusal.value.offset == 32
    walk = packets.split(ticker + ticker + ticker[:-1])
    assert [next(walk), next(walk)] == [ticker, ticker]


@pytest.mark.parametrize("length", [0, 7])
def test_a_length_below_that_of_the_header_ends_the_split(length: int) -> None:
    """A loop that accepted such a length would never end."""
    with pytest.raises(DecodeError, match=f"length {length} is below the header's at offset 0"):
        list(packets.split(bytes((2, length, 0, 0, 13, 0, 0, 0))))


@given(packet=any_packet)
def test_decoding_an_encoded_packet_returns_it(packet: Packet) -> None:
    assert packets.decode(packets.encode(packet)) == packet


@given(data=st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    try:
        packet = packets.decode(data)
    except DecodeError:
        return
    assert isinstance(packet, Packet)


@given(sent=st.lists(any_packet, max_size=6), cut=st.integers(0, 900))
def test_a_message_cut_anywhere_yields_its_whole_packets_and_no_other(sent: list[Packet], cut: int) -> None:
    encoded = [packets.encode(packet) for packet in sent]
    message = b"".join(encoded)[:cut]
    whole: list[bytes] = []
    stopped_at = len(message)

    try:
        for packet in packets.split(message):
            whole.append(packet)  # noqa: PERF402  # A comprehension would lose the packets before the refusal.
    except DecodeError as refusal:
        stopped_at = refusal.offset

    assert whole == encoded[: len(whole)]
    assert stopped_at == sum(map(len, whole))
    assert len(whole) == len(encoded) or len(message) - stopped_at < len(encoded[len(whole)])
