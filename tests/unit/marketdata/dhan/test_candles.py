"""The reader of daily candles: the close of one day, whatever else the answer contains."""

import json
import math
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.dhan.candles import DailyCandle, read_candle
from marketdata.dhan.rest_answers import OddKind, OddValue
from tests.broker_answers import JSON

# Recorded on 25 Jan 2025 (HDFCBANK).
RECORDED = (
    '{"open":[1687.0],"high":[1687.0],"low":[1651.25],"close":[1664.9],'
    '"volume":[1.7454579E7],"timestamp":[1.7375706E9]}'
)
DAY = date(2025, 1, 23)
MIDNIGHT = 1_737_570_600.0
DAY_SECONDS = 86_400.0


def answer(*candles: tuple[object, object], **columns: object) -> dict[str, Any]:
    """Return an answer with these timestamps and closes."""
    timestamps, closes = ([one[part] for one in candles] for part in (0, 1))
    return {"timestamp": timestamps, "close": closes, **columns}


def test_a_recorded_answer_is_read() -> None:
    candle, odd = read_candle(json.loads(RECORDED), DAY)

    assert candle == DailyCandle(1_664.9, None)
    assert not odd.counts


def test_the_candle_of_the_day_counts_and_no_other() -> None:
    found = answer(
        (MIDNIGHT - DAY_SECONDS, 1_650.0),
        (MIDNIGHT, 1_664.9),
        (MIDNIGHT + DAY_SECONDS, 1_700.0),
        open_interest=[1, 2.0],
    )

    assert read_candle(found, DAY)[0] == DailyCandle(1_664.9, 2)
    assert read_candle(found, date(2025, 1, 24))[0] == DailyCandle(1_700.0, None)
    assert read_candle(found, date(2025, 1, 25))[0] is None
    assert read_candle(answer((MIDNIGHT, 0)), DAY)[0] is None


@pytest.mark.parametrize(
    ("close", "kind"),
    [(None, OddKind.NULL), ("-", OddKind.TEXT), (math.nan, OddKind.NOT_FINITE), (-1.0, OddKind.NEGATIVE)],
)
def test_an_odd_candle_is_left_out_and_counted(close: object, kind: OddKind) -> None:
    found = answer((None, 1.0), (MIDNIGHT, close))

    candle, odd = read_candle(found, DAY)

    assert candle is None
    assert odd.counts == ({kind: 2} if kind is OddKind.NULL else {OddKind.NULL: 1, kind: 1})


@pytest.mark.parametrize("odd", [{}, {"timestamp": [1.0]}, {"timestamp": None, "close": []}, answer((1, 1), close=[])])
def test_columns_that_do_not_belong_together_are_no_candles(odd: dict[str, Any]) -> None:
    with pytest.raises(OddValue):
        read_candle(odd, DAY)


@given(found=st.fixed_dictionaries({name: st.lists(JSON | st.just(MIDNIGHT)) for name in ("timestamp", "close")}))
def test_any_columns_are_read(found: dict[str, Any]) -> None:
    if len(found["timestamp"]) == len(found["close"]):
        candle, _ = read_candle({**found, "open_interest": found["close"]}, DAY)

        assert candle is None or 0 < candle.close <= 10_000_000
