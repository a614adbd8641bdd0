from dataclasses import replace

import numpy as np
import pytest

from marketdata.domain.feed import ConnectionMeasurements, Delivery, DeliveryReading
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quote_rows import (
    FIELDS_OF,
    QUOTE_ROW,
    BusFrame,
    FrameError,
    FrameKind,
    Known,
    OtherLayout,
    decode_frame,
    encode_frame,
    rows_of,
)
from marketdata.domain.quotes import DepthLevel, Quote
from tests.frame_readers import quote_of

OPTION = InstrumentKey(ExchangeSegment.NSE_FNO, 40472)


def make_frame(*, count: int) -> BusFrame:
    rows = np.zeros(count, dtype=QUOTE_ROW)
    rows["instrument_id"] = np.arange(count) + 1
    rows["ltp"] = 48.25
    rows["known"] = Known.TRADE
    return BusFrame(FrameKind.CHANGES, connection=3, epoch=2**40, sequence=17, sent_at_ms=1_781_065_197_817, rows=rows)


def test_a_row_has_186_bytes_and_contains_a_full_packet_body_from_byte_16() -> None:
    offsets = {name: QUOTE_ROW.fields[name][1] for name in QUOTE_ROW.names or ()} if QUOTE_ROW.fields else {}

    assert QUOTE_ROW.itemsize == 186
    assert (offsets["ltp"], offsets["day_open"], offsets["depth"], offsets["previous_close"]) == (16, 54, 70, 170)
    assert QUOTE_ROW["volume"] == np.uint64


def test_the_measurements_of_a_connection_are_part_of_its_frame() -> None:
    reading = DeliveryReading(Delivery.STARVED, received=12, due=22_000)
    measurements = ConnectionMeasurements(reading, packet_age_ms=1_200, trade_lag_seconds=0.5)
    starved = replace(make_frame(count=1), measurements=measurements)

    assert decode_frame(encode_frame(starved)).measurements == measurements
    assert decode_frame(encode_frame(make_frame(count=0))).measurements == ConnectionMeasurements()


def test_a_delivery_of_another_version_does_not_read_as_flowing() -> None:
    payload = bytearray(encode_frame(make_frame(count=1)))
    payload[6] = 99

    assert decode_frame(bytes(payload)).delivery is Delivery.SILENT


def test_fields_of_unknown_groups_are_none_and_zero_is_a_value() -> None:
    row = np.zeros(1, dtype=QUOTE_ROW)[0]
    row["known"] = Known.OI | Known.SNAPSHOT

    assert quote_of(row, OPTION) == Quote(OPTION, oi=0)


def test_a_row_with_all_groups_known_has_every_field() -> None:
    row = np.zeros(1, dtype=QUOTE_ROW)[0]
    row["known"] = 0xFFFF

    quote = quote_of(row, OPTION)

    assert [name for name in Quote.__slots__ if getattr(quote, name) is None] == []


def test_a_row_of_a_quote_is_read_back_as_that_quote() -> None:
    level = DepthLevel(130, 1885, 1, 9, 48.0, 48.5)
    quote = Quote(
        OPTION,
        ltp=48.25,
        ltt=1_773_846_297,
        oi=0,
        oi_day_high=3,
        oi_day_low=2,
        depth=(level, level, level, level, level),
    )

    rows = rows_of({7: quote, 8: Quote(OPTION)}, received_at_ms=1_000)

    assert rows["instrument_id"].tolist() == [7, 8]
    assert rows["received_at_ms"].tolist() == [1_000, 1_000]
    assert quote_of(rows[0], OPTION) == quote
    assert quote_of(rows[1], OPTION) == Quote(OPTION)


def test_counts_above_the_range_of_the_wire_are_clipped() -> None:
    quote = Quote(OPTION, oi=2**33, depth=(DepthLevel(2**33, 1, 70_000, 2, 48.0, 48.5),) * 5)

    read = quote_of(rows_of({7: quote}, received_at_ms=1_000)[0], OPTION)

    assert read.oi == 4_294_967_295
    assert read.depth == (DepthLevel(4_294_967_295, 1, 65_535, 2, 48.0, 48.5),) * 5


def test_a_volume_above_32_bits_is_kept() -> None:
    fields = dict.fromkeys(FIELDS_OF[Known.DAY], 1) | {"volume": 2**53 - 1}
    quote = replace(Quote(OPTION), **fields)  # type: ignore[arg-type]  # The names are those of the group.

    (row,) = rows_of({7: quote}, received_at_ms=1_000)

    assert quote_of(row, OPTION).volume == 9_007_199_254_740_991


@pytest.mark.parametrize("layout", [b"2", b"4"])
def test_a_frame_of_another_layout_is_told_from_damaged_bytes(layout: bytes) -> None:
    payload = encode_frame(make_frame(count=2))

    with pytest.raises(OtherLayout):
        decode_frame(b"BTQ" + layout + payload[4:])


def test_a_group_with_an_unknown_field_is_not_known() -> None:
    quote = Quote(OPTION, ltp=48.25, oi_day_high=47)

    rows = rows_of({7: quote}, received_at_ms=1_000)

    assert quote_of(rows[0], OPTION) == Quote(OPTION)


@pytest.mark.parametrize("count", [0, 1, 300])
def test_decoding_an_encoded_frame_returns_it(count: int) -> None:
    frame = make_frame(count=count)

    read = decode_frame(encode_frame(frame))

    assert (read.kind, read.connection, read.epoch, read.sequence) == (FrameKind.CHANGES, 3, 2**40, 17)
    assert read.sent_at_ms == 1_781_065_197_817
    assert read.rows.tobytes() == frame.rows.tobytes()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        encode_frame(make_frame(count=2))[:-1],
        encode_frame(make_frame(count=0)) + b"x",
        b"XXXX" + encode_frame(make_frame(count=0))[4:],
        b"BTQ3\x02" + encode_frame(make_frame(count=0))[5:],
    ],
)
def test_bytes_of_another_layout_are_refused(payload: bytes) -> None:
    with pytest.raises(FrameError):
        decode_frame(payload)
