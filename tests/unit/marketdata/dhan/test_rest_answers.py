"""Reading of market-data answers: any odd item is left out and counted by kind; the others are taken."""

import math
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from marketdata.dhan.rest_answers import (
    MAX_PRICE,
    NOT_OF_INDICES,
    OddItems,
    OddKind,
    OddValue,
    printable,
    read_prices,
    read_quotes,
)
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quote_rows import Known, rows_of
from tests.broker_answers import JSON, NULL_DEPTHS, ODD_ITEMS, ODD_PRICES, QUOTE_ITEMS, make_item

NOW = datetime(2026, 2, 10, 12, 0, tzinfo=UTC)
NIFTY = InstrumentKey(ExchangeSegment.IDX_I, 13)
CALL = InstrumentKey(ExchangeSegment.NSE_FNO, 131533)
PUT = InstrumentKey(ExchangeSegment.NSE_FNO, 131534)
KEYS = [NIFTY, CALL, PUT]


def test_a_price_has_the_decimals_that_the_broker_means() -> None:
    reading = read_prices({"IDX_I": {"13": {"last_price": 22952.94921875}}, "NSE_FNO": {}}, KEYS)

    assert reading.items == {NIFTY: Decimal("22952.9492")}
    assert reading.odd == OddItems()


@pytest.mark.parametrize("price", [0, 0.0, -0.0, 0.00001])
def test_a_price_of_zero_is_unknown_and_not_odd(price: float) -> None:
    reading = read_prices({"NSE_FNO": {"131533": {"last_price": price}}}, KEYS)

    assert (reading.items, reading.odd.counts) == ({}, {})


@pytest.mark.parametrize("name", ODD_PRICES)
def test_an_odd_price_is_left_out_and_the_others_are_taken(name: str) -> None:
    value, kind = ODD_PRICES[name]

    reading = read_prices({"NSE_FNO": {"131533": {"last_price": value}, "131534": {"last_price": 20.5}}}, KEYS)

    assert reading.items == {PUT: Decimal("20.5")}
    assert (reading.odd.counts, reading.odd.examples) == ({kind: 1}, {kind: "NSE_FNO:131533"})


@pytest.mark.parametrize("name", ODD_ITEMS)
def test_an_odd_quote_is_left_out_and_the_others_are_taken(name: str) -> None:
    item, kind = ODD_ITEMS[name]

    reading = read_quotes({"NSE_FNO": {"131533": item, "131534": make_item(20.5)}}, KEYS, now=NOW)

    assert list(reading.items) == [PUT]
    assert reading.items[PUT].ltp == 20.5
    assert reading.odd.counts == {kind: 1}


@pytest.mark.parametrize("depth", NULL_DEPTHS.values(), ids=NULL_DEPTHS)
def test_a_null_in_the_depth_costs_the_depth_alone(depth: object) -> None:
    reading = read_quotes({"NSE_FNO": {"131533": make_item(20.5, depth=depth)}}, KEYS, now=NOW)

    quote = reading.items[CALL]
    assert (quote.ltp, quote.oi, quote.previous_close, quote.depth) == (20.5, 4_000, 18.5, None)
    assert (reading.odd.counts, reading.odd.examples) == (
        {OddKind.NULL_DEPTH: 1},
        {OddKind.NULL_DEPTH: "NSE_FNO:131533"},
    )


def test_an_item_that_is_left_out_is_not_counted_for_its_depth_too() -> None:
    odd = make_item(depth=None, ohlc={"close": "18.5"})

    reading = read_quotes({"NSE_FNO": {"131533": odd}}, KEYS, now=NOW)

    assert (reading.items, reading.odd.counts) == ({}, {OddKind.TEXT: 1})


@pytest.mark.parametrize("depth", [*NULL_DEPTHS.values(), {"buy": [], "sell": [None]}, [], "-", make_item()["depth"]])
def test_an_index_has_a_price_whatever_its_depth_is(depth: object) -> None:
    reading = read_quotes({"IDX_I": {"13": make_item(25_445.4, depth=depth)}}, KEYS, now=NOW)

    assert (reading.items[NIFTY].ltp, reading.items[NIFTY].depth) == (25_445.4, None)
    assert reading.odd == OddItems()


def test_nulls_of_what_an_index_does_not_have_cost_nothing_else() -> None:
    nulls = dict.fromkeys(NOT_OF_INDICES)

    reading = read_quotes(
        {"IDX_I": {"13": make_item(25_445.4, **nulls)}, "NSE_FNO": {"131533": make_item(20.5, **nulls)}}, KEYS, now=NOW
    )

    index = reading.items[NIFTY]
    assert (index.ltp, index.day_high, index.previous_close, index.volume) == (25_445.4, 25_448.4, 25_443.4, None)
    assert (list(reading.items), reading.odd.counts) == ([NIFTY], {OddKind.NULL: 1})


def test_an_absent_member_is_unknown_and_never_zero() -> None:
    quote = read_quotes({"NSE_FNO": {"131533": {"last_price": 12.5}}}, KEYS, now=NOW).items[CALL]

    assert (quote.ltp, quote.volume, quote.oi, quote.day_open, quote.depth) == (12.5, None, None, None, None)
    assert rows_of({1: quote}, received_at_ms=1)["known"].tolist() == [0]


def test_an_unknown_segment_and_an_instrument_that_was_not_requested_are_left_out() -> None:
    content = {
        "NSE_XX": {"1": {"last_price": 1.0}},
        "NSE_EQ": {"13": {"last_price": 1.0}},
        "IDX_I": {"13": {"last_price": 25_445.4}, " 13": {"last_price": 2.0}, "013": {"last_price": 3.0}},
        "NSE_FNO": None,
    }

    reading = read_prices(content, KEYS)

    assert reading.items == {NIFTY: Decimal("25445.4")}
    assert reading.odd.counts == {OddKind.UNKNOWN_SEGMENT: 1, OddKind.UNKNOWN_ID: 3, OddKind.NULL: 1}


@pytest.mark.parametrize("content", [None, [], "", 0, True])
def test_a_content_that_is_no_object_is_refused(content: object) -> None:
    with pytest.raises(OddValue):
        read_prices(content, KEYS)
    with pytest.raises(OddValue):
        read_quotes(content, KEYS, now=NOW)


SEGMENTS = st.sampled_from(["IDX_I", "NSE_FNO", "NSE_EQ", "NSE_XX"]) | st.text(max_size=6)
IDS = st.sampled_from(["13", "131533", "131534"]) | st.text(max_size=6)
CONTENTS = st.dictionaries(SEGMENTS, JSON | st.dictionaries(IDS, JSON | QUOTE_ITEMS, max_size=4), max_size=4)


@given(content=CONTENTS)
@example(content={"NSE_FNO": {"131533": make_item(last_price=10**400)}})
def test_any_content_is_read_and_each_price_that_is_taken_is_possible(content: dict[str, object]) -> None:
    reading = read_prices(content, KEYS)

    assert set(reading.items) <= set(KEYS)
    assert all(0 < price <= MAX_PRICE for price in reading.items.values())


@given(content=CONTENTS)
def test_any_content_is_read_and_each_quote_that_is_taken_fits_a_row(content: dict[str, object]) -> None:
    reading = read_quotes(content, KEYS, now=NOW)

    with np.errstate(all="raise"):
        rows = rows_of(dict(enumerate(reading.items.values())), received_at_ms=1)
    priced = rows[rows["known"] & Known.TRADE != 0]
    assert all(0 < price < math.inf for price in priced["ltp"].tolist())
    assert np.isfinite(rows["previous_close"]).all()


@given(content=CONTENTS)
def test_a_good_item_is_taken_from_any_content(content: dict[str, object]) -> None:
    others = content.get("IDX_I")
    beside = others if isinstance(others, dict) else {}

    reading = read_quotes({**content, "IDX_I": {**beside, "13": make_item(25_445.4)}}, KEYS, now=NOW)

    assert reading.items[NIFTY].ltp == 25_445.4


def test_a_text_of_the_broker_is_made_printable() -> None:
    assert printable("No\x00 such\nid \ud800!", 40) == "No  such id  !"
    assert printable("x" * 50, 40) == "x" * 40
