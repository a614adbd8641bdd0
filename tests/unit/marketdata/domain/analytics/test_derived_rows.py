"""Packed rows of analytics and their bus frames."""

import numpy as np
import pytest

from marketdata.domain.analytics.derived_rows import (
    OPTION_ROW,
    SERIES_ROW,
    DerivedFrame,
    decode_derived,
    differs,
    encode_derived,
    round_significant,
)
from marketdata.domain.quote_rows import FrameError, FrameKind, OtherLayout


def make_frame() -> DerivedFrame:
    options, series = np.zeros(2, dtype=OPTION_ROW), np.zeros(1, dtype=SERIES_ROW)
    options["instrument_id"], options["iv"], options["oi_change"] = [7, 8], [11.83, np.nan], [-3e9, np.nan]
    series["series_id"], series["max_pain"], series["strikes_counted"] = 7, 24_500.0, 101
    return DerivedFrame(FrameKind.FULL, 5, 9, 1_795_000_000_123, options, series)


def test_a_frame_survives_the_bus() -> None:
    frame = make_frame()

    found = decode_derived(encode_derived(frame))

    assert (found.kind, found.epoch, found.sequence, found.sent_at_ms) == (FrameKind.FULL, 5, 9, 1_795_000_000_123)
    assert found.options.tobytes() == frame.options.tobytes()
    assert found.series.tobytes() == frame.series.tobytes()


def test_bytes_that_are_no_frame_of_figures_are_refused() -> None:
    payload = encode_derived(make_frame())

    for damaged in (b"", payload[:20], payload[:-1], payload + b"\0", b"BTQ3" + payload[4:]):
        with pytest.raises(FrameError):
            decode_derived(damaged)
    with pytest.raises(OtherLayout, match="layout 9"):
        decode_derived(b"BTA9" + payload[4:])


def test_rows_differ_by_any_byte_and_an_unknown_value_equals_itself() -> None:
    before = make_frame().options
    now = before.copy()
    now["delta"][1] = 0.5

    assert differs(before, before).tolist() == [False, False]
    assert differs(now, before).tolist() == [False, True]


def test_significant_digits() -> None:
    found = round_significant(np.array([0.000123456, -12.3456, 0.0, np.nan]), 4)

    np.testing.assert_allclose(found, [0.0001235, -12.35, 0.0, np.nan], rtol=1e-12)
