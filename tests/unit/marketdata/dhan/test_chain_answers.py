"""Reading of the broker's option chains: recorded answers, and odd ones of which the rest is taken."""

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.dhan.chain_answers import ChainOption, read_chain
from marketdata.dhan.rest_answers import MAX_PRICE, OddKind, OddValue
from marketdata.domain.instruments import OptionType
from tests.broker_answers import JSON, ODD_PRICES

OPTION = {
    "average_price": 140.12,
    "greeks": {"delta": 0.52, "theta": -35.9, "gamma": 0.00108, "vega": 7.17},
    "implied_volatility": 20.4,
    "last_price": 141.35,
    "oi": 3_786_445,
    "previous_close_price": 244.85,
    "previous_oi": 402_220,
    "previous_volume": 31_931,
    "security_id": 42_528,
    "top_ask_price": 141.4,
    "top_ask_quantity": 195,
    "top_bid_price": 141.2,
    "top_bid_quantity": 65,
    "volume": 117_567_970,
}
READ = ChainOption(141.35, 244.85, 141.2, 141.4, 3_786_445, 402_220, 117_567_970)


def make_answer(**strikes: Any) -> dict[str, Any]:
    return {
        "last_price": 25_642.8,
        "oc": {name.lstrip("_").replace("_", "."): sides for name, sides in strikes.items()},
    }


def test_an_option_is_read_by_strike_and_type() -> None:
    reading = read_chain(make_answer(_25650_000000={"ce": OPTION}, _25700_500000={"pe": OPTION | {"oi": 0}}))

    assert reading.options[Decimal(25_650), OptionType.CE] == READ
    assert reading.options[Decimal("25700.5"), OptionType.PE].oi == 0
    assert len(reading.options) == 2
    assert not reading.odd.counts


def test_a_price_of_zero_and_a_missing_member_are_unknown() -> None:
    bare = {"last_price": 0, "top_bid_price": 0, "oi": 0}

    reading = read_chain(make_answer(_25650_000000={"ce": bare}))

    assert reading.options[Decimal(25_650), OptionType.CE] == ChainOption(None, None, None, None, 0, None, None)


@pytest.mark.parametrize("name", ODD_PRICES)
def test_an_odd_option_is_left_out_and_the_others_are_taken(name: str) -> None:
    value, kind = ODD_PRICES[name]
    sides = {"ce": OPTION | {"last_price": value}, "pe": OPTION}

    reading = read_chain(make_answer(_25650_000000=sides))

    assert list(reading.options) == [(Decimal(25_650), OptionType.PE)]
    assert (reading.odd.counts, reading.odd.examples) == ({kind: 1}, {kind: "25650.000000 ce"})


@pytest.mark.parametrize(
    ("strike", "kind"),
    [
        ("", OddKind.TEXT),
        ("ATM", OddKind.TEXT),
        ("NaN", OddKind.NOT_FINITE),
        ("Infinity", OddKind.NOT_FINITE),
        ("-100.000000", OddKind.NEGATIVE),
        ("0.000000", OddKind.NEGATIVE),
        ("1e30", OddKind.TOO_LARGE),
    ],
)
def test_a_strike_that_is_no_price_is_left_out(strike: str, kind: OddKind) -> None:
    reading = read_chain({"oc": {strike: {"ce": OPTION}, "100.000000": {"ce": OPTION}}})

    assert list(reading.options) == [(Decimal(100), OptionType.CE)]
    assert reading.odd.counts == {kind: 1}


@pytest.mark.parametrize(
    ("sides", "kind"),
    [
        (None, OddKind.NULL),
        ([], OddKind.FORM),
        ("-", OddKind.TEXT),
        ({"xx": OPTION}, OddKind.FORM),
        ({"ce": None}, OddKind.NULL),
        ({"ce": {}}, OddKind.MISSING),
        ({"ce": OPTION | {"previous_oi": None}}, OddKind.NULL),
        ({"ce": OPTION | {"oi": -65}}, OddKind.NEGATIVE),
        ({"ce": OPTION | {"volume": 10**400}}, OddKind.TOO_LARGE),
    ],
)
def test_odd_sides_are_left_out_and_counted(sides: object, kind: OddKind) -> None:
    reading = read_chain(make_answer(_25650_000000=sides))

    assert (reading.options, reading.odd.counts) == ({}, {kind: 1})


@pytest.mark.parametrize("content", [None, [], "chain", 5, {}, {"oc": None}, {"oc": []}])
def test_a_content_that_is_no_chain_is_refused(content: object) -> None:
    with pytest.raises(OddValue):
        read_chain(content)


@given(st.dictionaries(st.sampled_from(["100.000000", "200.000000", "x"]), JSON | st.dictionaries(st.just("ce"), JSON)))
def test_any_content_is_read_and_each_value_that_is_taken_is_possible(strikes: Any) -> None:
    for option in read_chain({"oc": strikes}).options.values():
        prices = (option.ltp, option.previous_close, option.bid, option.ask)
        assert all(price is None or 0 < price <= MAX_PRICE for price in prices)
        assert all(count is None or count >= 0 for count in (option.oi, option.previous_oi, option.volume))


@pytest.mark.parametrize("recorded", ["2025-01-25T0843Z", "2025-01-28T0933Z"])
def test_recorded_chains_have_no_odd_option(recorded: str, reference_data: Path) -> None:
    path = reference_data / "rest" / f"optionchain-NIFTY-exp2025-01-30-recorded-{recorded}.json.gz"
    answer = json.loads(gzip.decompress(path.read_bytes()))

    reading = read_chain(answer["data"])

    assert not reading.odd.counts
    assert len(reading.options) == sum(len(sides) for sides in answer["data"]["oc"].values())
    assert all(option.previous_oi is not None for option in reading.options.values())
