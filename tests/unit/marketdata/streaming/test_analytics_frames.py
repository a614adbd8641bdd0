"""Analytics on the browser's wire: the bytes that the JavaScript decoder reads, and when they are sent."""

import base64
import json
from pathlib import Path

import numpy as np

from marketdata.domain.analytics.derived_rows import OPTION_ROW, SERIES_ROW, DerivedFrame, OiSource, Rows
from marketdata.domain.analytics.positions import BuildUp
from marketdata.domain.analytics.premiums import IvReason
from marketdata.domain.quote_rows import FrameKind
from marketdata.streaming.analytics_frames import AnalyticsOutbox, encode_analytics
from marketdata.streaming.derived_mirror import DerivedMirror, unknown_options, unknown_series
from marketdata.streaming.frames import BrowserFrameKind

VECTORS = Path(__file__).resolve().parents[3] / "data" / "analytics_frames.json"
SERIES_ID = 41
NOW_MS = 1_795_012_345_678


def make_option(instrument_id: int, *, iv: float = 11.83) -> Rows:
    row = unknown_options([instrument_id])
    row["reason"], row["build_up"] = IvReason.NONE, BuildUp.SHORT_COVERING
    row["oi_change_source"] = OiSource.BROKER
    row["iv"], row["delta"], row["gamma"], row["theta"], row["vega"] = iv, 0.523, 0.001234, -12.34, 9.87
    row["intrinsic"], row["time_value"], row["oi_change"] = 30.05, 88.4, -3_000_000_000
    return row


def make_series(*, atm_iv: float = 11.83) -> Rows:
    row = unknown_series([SERIES_ID])
    row["strikes_counted"], row["strikes_listed"], row["as_of_ms"] = 101, 140, NOW_MS
    row["chain_at_ms"] = NOW_MS - 60_000
    row["forward"], row["atm_strike"], row["atm_iv"], row["straddle"] = 24_030.05, 24_000, atm_iv, 246.7
    row["expected_move"], row["pcr_oi"], row["max_pain"], row["ce_oi"], row["rate"] = (
        1.027,
        1.08,
        24_000,
        12_000_000,
        6.5,
    )
    return row


def vector_frames() -> dict[str, bytes]:
    """Encode the frames on which the JavaScript decoder is tested."""
    options = np.concatenate([make_option(41), unknown_options([42])])
    return {
        "snapshot": encode_analytics(BrowserFrameKind.SNAPSHOT, options, make_series(), server_time_ms=NOW_MS),
        "changes": encode_analytics(
            BrowserFrameKind.CHANGES, make_option(41, iv=12.0), np.zeros(0, dtype=SERIES_ROW), server_time_ms=NOW_MS
        ),
    }


def test_the_stored_frames_of_the_javascript_tests_are_current() -> None:
    made = {name: base64.b64encode(payload).decode() for name, payload in vector_frames().items()}

    assert json.loads(VECTORS.read_text()) == made


def test_an_option_takes_44_bytes_a_series_152_and_a_header_20() -> None:
    assert (OPTION_ROW.itemsize, SERIES_ROW.itemsize) == (44, 152)
    assert [len(payload) for payload in vector_frames().values()] == [20 + 2 * 44 + 152, 20 + 44]


def make_mirror() -> DerivedMirror:
    mirror = DerivedMirror()
    absorb(mirror, make_option(41), make_option(42), sequence=1, kind=FrameKind.FULL)
    return mirror


def absorb(mirror: DerivedMirror, *options: Rows, sequence: int, kind: FrameKind = FrameKind.CHANGES) -> None:
    rows = np.concatenate(options) if options else np.zeros(0, dtype=OPTION_ROW)
    mirror.absorb(DerivedFrame(kind, 7, sequence, NOW_MS, rows, make_series()))


def make_outbox() -> AnalyticsOutbox:
    outbox = AnalyticsOutbox()
    outbox.watch([41, 42, 43], [SERIES_ID])
    return outbox


def read(frame: bytes | None) -> tuple[BrowserFrameKind, list[int], int]:
    """Return kind, ids of options and number of series."""
    assert frame is not None
    count, series = int.from_bytes(frame[2:4], "little"), int.from_bytes(frame[4:6], "little")
    rows = np.frombuffer(frame, dtype=OPTION_ROW, count=count, offset=20)
    return BrowserFrameKind(frame[1]), rows["instrument_id"].tolist(), series


def test_the_first_frame_is_a_snapshot_of_what_is_known_and_changes_follow_once_a_second() -> None:
    mirror, outbox = make_mirror(), make_outbox()

    assert read(outbox.next_frame(mirror, now=100.0, now_ms=NOW_MS)) == (BrowserFrameKind.SNAPSHOT, [41, 42], 1)
    absorb(mirror, make_option(42, iv=12.5), sequence=2)
    assert outbox.next_frame(mirror, now=100.9, now_ms=NOW_MS) is None
    assert read(outbox.next_frame(mirror, now=101.0, now_ms=NOW_MS)) == (BrowserFrameKind.CHANGES, [42], 0)
    assert outbox.next_frame(mirror, now=102.0, now_ms=NOW_MS) is None


def test_a_resync_and_another_set_get_a_snapshot_at_once() -> None:
    mirror, outbox = make_mirror(), make_outbox()
    outbox.next_frame(mirror, now=100.0, now_ms=NOW_MS)

    outbox.resync()
    assert read(outbox.next_frame(mirror, now=100.1, now_ms=NOW_MS)) == (BrowserFrameKind.SNAPSHOT, [41, 42], 1)
    outbox.watch([42], [SERIES_ID])
    assert read(outbox.next_frame(mirror, now=100.2, now_ms=NOW_MS)) == (BrowserFrameKind.SNAPSHOT, [42], 1)


def test_without_a_chain_nothing_is_sent() -> None:
    outbox = AnalyticsOutbox()
    outbox.watch([41, 42], [])

    assert outbox.next_frame(make_mirror(), now=100.0, now_ms=NOW_MS) is None


def test_when_the_worker_has_stopped_every_option_becomes_unknown() -> None:
    mirror, outbox = make_mirror(), make_outbox()
    outbox.next_frame(mirror, now=100.0, now_ms=NOW_MS)

    mirror.expire()
    frame = outbox.next_frame(mirror, now=101.0, now_ms=NOW_MS)

    assert read(frame) == (BrowserFrameKind.CHANGES, [41, 42], 1)
    rows = np.frombuffer(frame or b"", dtype=OPTION_ROW, count=2, offset=20)
    assert np.isnan(rows["iv"]).all()
    assert set(rows["reason"].tolist()) == {IvReason.NOT_COMPUTED}
