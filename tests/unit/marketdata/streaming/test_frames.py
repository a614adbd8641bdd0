import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marketdata.domain.feed import ConnectionMeasurements, DeliveryReading
from marketdata.domain.quote_rows import NEVER_HEARD, Known
from marketdata.streaming.frames import (
    WIRE_ROW,
    BrowserFrame,
    BrowserFrameKind,
    CloseCode,
    Shown,
    encode_browser_frame,
    wire_rows,
)
from tests.frame_readers import decode_browser_frame
from tests.unit.marketdata.streaming.bus_rows import FULLY_KNOWN, make_row

VECTORS = Path(__file__).resolve().parents[3] / "data" / "browser_frames.json"


MEASUREMENTS = {
    1: ConnectionMeasurements(DeliveryReading(received=21_800, due=22_000), packet_age_ms=95, trade_lag_seconds=0.4),
    3: ConnectionMeasurements(packet_age_ms=NEVER_HEARD, trade_lag_seconds=-0.2),
}


def vector_frames() -> dict[str, bytes]:
    """Encode the frames on which the JavaScript decoder is tested."""
    known = wire_rows(make_row(41, ltp=2640.35, volume=12_34_567, oi=98_765, ltt=1_795_000_000), connection=3)
    unknown = wire_rows(make_row(42, known=Known(0)), connection=0)
    no_bid = wire_rows(make_row(43, ltp=0.05, bid=0.0, ask=0.05, previous_close=0.1), connection=5)
    known["age_ms"], unknown["age_ms"], no_bid["age_ms"] = 180, NEVER_HEARD, 61_000
    snapshot = BrowserFrame(
        kind=BrowserFrameKind.SNAPSHOT,
        sequence=1,
        server_time_ms=1_795_012_345_678,
        epoch=1_795_000_001,
        feed_age_ms=95,
        rows=np.concatenate([known, unknown, no_bid]),
        measurements=MEASUREMENTS,
    )
    moved = wire_rows(make_row(41, ltp=2641.0, volume=2**53 - 1, oi=98_765, ltt=1_795_000_001), connection=3)
    changes = BrowserFrame(
        kind=BrowserFrameKind.CHANGES,
        sequence=2,
        server_time_ms=1_795_012_345_928,
        epoch=1_795_000_001,
        feed_age_ms=None,
        rows=moved,
    )
    return {"snapshot": encode_browser_frame(snapshot), "changes": encode_browser_frame(changes)}


def test_the_stored_frames_of_the_javascript_tests_are_current() -> None:
    written: dict[str, Any] = json.loads(VECTORS.read_text())

    made = {name: base64.b64encode(payload).decode() for name, payload in vector_frames().items()}

    assert {name: one["base64"] for name, one in written.items()} == made


def test_a_row_takes_52_bytes_and_a_header_104() -> None:
    assert WIRE_ROW.itemsize == 52
    assert [len(payload) for payload in vector_frames().values()] == [104 + 3 * 52, 104 + 52]


def test_the_measurements_of_each_connection_are_in_the_header() -> None:
    measurements = decode_browser_frame(vector_frames()["snapshot"]).measurements

    assert (measurements[1], measurements[2]) == (MEASUREMENTS[1], ConnectionMeasurements())
    # An age beyond the range is the oldest one; a trade that seems to come early has no lag.
    assert (measurements[3].packet_age_ms, measurements[3].trade_lag_seconds) == (NEVER_HEARD - 1, 0.0)


def test_known_fields_are_shown() -> None:
    (row,) = wire_rows(
        make_row(41, ltp=100.5, volume=900, oi=1_200, ltt=77, bid=100.25, ask=100.75, previous_close=99.0),
        connection=2,
    )

    assert (row["instrument_id"], row["connection"]) == (41, 2)
    assert Shown(int(row["known"])) == (
        Shown.LTP | Shown.VOLUME | Shown.OI | Shown.PREVIOUS_CLOSE | Shown.BID | Shown.ASK
    )
    assert (row["ltp"], row["bid"], row["ask"], row["previous_close"]) == (100.5, 100.25, 100.75, 99.0)
    assert (row["bid_quantity"], row["ask_quantity"], row["volume"], row["oi"], row["ltt"]) == (75, 150, 900, 1_200, 77)


@pytest.mark.parametrize(
    ("missing", "flag"),
    [
        (Known.TRADE, Shown.LTP),
        (Known.DAY, Shown.VOLUME),
        (Known.OI, Shown.OI),
        (Known.PREVIOUS_CLOSE, Shown.PREVIOUS_CLOSE),
        (Known.DEPTH, Shown.BID),
        (Known.DEPTH, Shown.ASK),
    ],
)
def test_an_unknown_group_has_no_flag(missing: Known, flag: Shown) -> None:
    (row,) = wire_rows(make_row(41, known=FULLY_KNOWN & ~missing), connection=1)

    assert flag not in Shown(int(row["known"]))


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_an_invalid_price_is_unknown(price: float) -> None:
    (row,) = wire_rows(make_row(41, ltp=price, bid=price, ask=price, previous_close=price), connection=1)

    assert Shown(int(row["known"])) == Shown.VOLUME | Shown.OI
    assert (row["ltp"], row["bid"], row["ask"], row["previous_close"]) == (0, 0, 0, 0)


def test_a_zero_volume_is_known() -> None:
    (row,) = wire_rows(make_row(41, volume=0, oi=0), connection=1)

    assert Shown.VOLUME | Shown.OI in Shown(int(row["known"]))


@pytest.mark.parametrize("group", [Known.PREVIOUS_CLOSE, Known.DAY_CLOSE])
def test_a_previous_close_is_shown_from_either_source(group: Known) -> None:
    (row,) = wire_rows(make_row(41, known=Known.TRADE | group, previous_close=88.0), connection=1)

    assert Shown.PREVIOUS_CLOSE in Shown(int(row["known"]))
    assert row["previous_close"] == 88.0


def test_the_close_field_of_an_earlier_day_is_not_a_previous_close() -> None:
    # A full packet of yesterday, then a ticker packet of today: the previous close is not known yet.
    (row,) = wire_rows(make_row(41, known=Known.TRADE | Known.DAY, day_close=88.0), connection=1)

    assert Shown.PREVIOUS_CLOSE not in Shown(int(row["known"]))


def test_a_price_of_a_former_socket_has_no_streaming_connection() -> None:
    (row,) = wire_rows(make_row(41, ltp=10.0, known=FULLY_KNOWN | Known.EARLIER), connection=1)

    assert (float(row["ltp"]), int(row["connection"])) == (10.0, 0)


def test_a_seeded_row_is_flagged() -> None:
    (row,) = wire_rows(make_row(41, known=FULLY_KNOWN | Known.SNAPSHOT), connection=1)

    assert Shown.SEEDED in Shown(int(row["known"]))


def test_decoding_an_encoded_browser_frame_returns_it() -> None:
    frame = decode_browser_frame(vector_frames()["snapshot"])

    assert (frame.kind, frame.sequence, frame.epoch) == (BrowserFrameKind.SNAPSHOT, 1, 1_795_000_001)
    assert (frame.server_time_ms, frame.feed_age_ms) == (1_795_012_345_678, 95)
    assert frame.rows["instrument_id"].tolist() == [41, 42, 43]
    assert frame.rows["age_ms"].tolist() == [180, NEVER_HEARD, 61_000]


def test_close_codes_below_4408_are_final_and_others_permit_a_reconnect() -> None:
    final = {code for code in CloseCode if code < 4408}

    assert final == {CloseCode.BAD_CLIENT, CloseCode.LOGIN_REQUIRED}
    assert {code for code in CloseCode if 4408 <= code < 4500} == set(CloseCode) - final


if __name__ == "__main__":  # Rewrites the file after a change of the wire: python -m tests.unit....test_frames
    VECTORS.write_text(
        json.dumps(
            {name: {"base64": base64.b64encode(one).decode()} for name, one in vector_frames().items()}, indent=1
        )
        + "\n"
    )
