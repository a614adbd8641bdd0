"""The broker's intraday candles, read item by item."""

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.dhan.intraday_answers import read_intraday
from marketdata.dhan.rest_answers import OddKind, OddValue
from marketdata.domain.intraday import CANDLE, IntradayCandles, decode_candles, encode_candles

DAY = date(2024, 9, 11)
OPENING = 1_726_026_300  # recorded: 11 Sep 2024, 09:15 IST


def answer_of(*candles: tuple[Any, Any, Any, Any, Any], **changes: Any) -> dict[str, Any]:
    columns = {
        name: [candle[place] for candle in candles]
        for place, name in enumerate(("timestamp", "open", "high", "low", "close"))
    }
    return {**columns, "volume": [0.0] * len(candles), **changes}


GOOD = (float(OPENING), 100.0, 101.0, 99.5, 100.5)
LATER = (OPENING + 60.0, 100.5, 100.5, 100.5, 100.5)


def read(answer: Any, *, first: date = DAY, last: date = DAY) -> tuple[list[tuple[float, ...]], dict[OddKind, int]]:
    candles, odd = read_intraday(answer, first=first, last=last)
    return candles.tolist(), dict(odd.counts)


def test_a_candle_has_its_time_and_prices() -> None:
    assert read(answer_of(GOOD, LATER)) == (
        [(OPENING, 100.0, 101.0, 99.5, 100.5, 0.0), (OPENING + 60, 100.5, 100.5, 100.5, 100.5, 0.0)],
        {},
    )


@pytest.mark.parametrize(
    ("candle", "kind"),
    [
        ((OPENING + 60.0, 100.0, 99.0, 98.0, 98.5), OddKind.FORM),  # it opens above its high
        ((OPENING + 60.0, 0.0, 0.0, 0.0, 0.0), OddKind.FORM),
        ((OPENING + 60.0, 100.0, None, 99.0, 100.0), OddKind.NULL),
        ((OPENING + 60.0, 100.0, "101", 99.0, 100.0), OddKind.TEXT),
        ((OPENING + 60.5, 100.0, 100.0, 100.0, 100.0), OddKind.FORM),
        ((OPENING + 86_400.0, 100.0, 100.0, 100.0, 100.0), OddKind.TIME),
        ((float(OPENING), 100.0, 100.0, 100.0, 100.0), OddKind.TIME),  # the same minute again
        ((OPENING + 60.0, -1.0, 100.0, -1.0, 100.0), OddKind.NEGATIVE),
        ((OPENING + 60.0, 100.0, float("nan"), 100.0, 100.0), OddKind.NOT_FINITE),
    ],
)
def test_an_odd_candle_is_left_out_alone(candle: tuple[Any, ...], kind: OddKind) -> None:
    candles, odd = read(answer_of(GOOD, candle, (OPENING + 120.0, 100.0, 100.0, 100.0, 100.0)))

    assert [one[0] for one in candles] == [OPENING, OPENING + 120]
    assert odd == {kind: 1}


@pytest.mark.parametrize(
    "answer",
    [{}, answer_of(GOOD, close=[]), answer_of(GOOD, high=None), answer_of(GOOD, timestamp="2024-09-11")],
)
def test_an_answer_of_another_form_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(OddValue):
        read_intraday(answer, first=DAY, last=DAY)


def test_the_newest_day_is_taken() -> None:
    candles, odd = read(answer_of(GOOD, (OPENING + 86_400.0, 1.0, 1.0, 1.0, 1.0)), last=date(2024, 9, 12))

    assert [one[0] for one in candles] == [OPENING + 86_400]
    assert odd == {}


def test_the_volume_may_be_missing() -> None:
    answer = answer_of(GOOD)
    del answer["volume"]

    candles, _ = read(answer)

    assert np.isnan(candles[0][-1])


anything = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4)


@given(st.lists(st.tuples(anything, anything, anything, anything, anything), max_size=5))
def test_whatever_the_candles_are_those_that_are_taken_are_sound(candles: list[tuple[Any, ...]]) -> None:
    taken, odd = read_intraday(answer_of(*candles), first=date(2024, 1, 1), last=date(2024, 12, 31))

    assert len(taken) + odd.counts.total() <= len(candles)
    assert (taken["low"] > 0).all()
    assert (taken["low"] <= np.minimum(taken["open"], taken["close"])).all()
    assert (taken["high"] >= np.maximum(taken["open"], taken["close"])).all()
    assert (np.diff(taken["at"]) > 0).all()


@given(st.lists(st.floats(1, 1e6), max_size=4), st.booleans(), st.binary(max_size=80))
def test_an_answer_reads_back_as_it_was_written(prices: list[float], is_known: bool, other: bytes) -> None:
    candles = np.array([(OPENING + at, price, price, price, price, 0) for at, price in enumerate(prices)], CANDLE)
    answer = IntradayCandles(datetime(2024, 9, 11, 12, tzinfo=UTC), DAY, candles if is_known else None)

    found = decode_candles(encode_candles(answer))

    assert found is not None
    assert (found.received_at, found.day) == (answer.received_at, DAY)
    assert (found.candles is None) == (not is_known)
    assert found.candles is None or (found.candles == candles).all()
    decode_candles(other)
