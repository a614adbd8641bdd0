"""Conversion of float32 prices to rupees, and changes against the previous close."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.prices import UNITS, change_units, known_price, price_change, price_units, rupees

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[3] / "data" / "price_changes.json").read_text())


@pytest.mark.parametrize(
    ("quoted", "tick", "expected"),
    [
        ("248.30", "0.05", "248.3"),
        ("24562.37", "0.05", "24562.37"),  # an index moves by paise, regardless of its tick size
        ("150000.05", "0.05", "150000.05"),
        ("97.4325", "0.0025", "97.4325"),
        ("5800", "1", "5800"),
        ("0.05", "0.05", "0.05"),
        ("81234.57", "0", "81234.57"),
        ("85000.51", "0.05", "85000.51"),  # not 85000.50, though that is less than one float32 step away
    ],
)
def test_a_float32_is_converted_to_the_quoted_price(quoted: str, tick: str, expected: str) -> None:
    assert str(rupees(float(np.float32(quoted)), Decimal(tick))) == expected


@given(st.integers(1, 5_000_000), st.sampled_from([Decimal("0.05"), Decimal("0.1"), Decimal(1)]))
def test_every_price_on_a_tick_survives_float32(ticks: int, tick: Decimal) -> None:
    price = ticks * tick

    assert rupees(float(np.float32(float(price))), tick) == price


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_change_agrees_with_the_shared_cases(case: dict[str, Any]) -> None:
    tick_size = Decimal(str(case["tick_size"] or 0))

    change = price_change(*(_received(case[name], tick_size) for name in ("ltp", "previous_close")))

    expected = [None if case[name] is None else Decimal(str(case[name])) for name in ("change", "percent")]
    assert list(change) == expected
    assert change.percent is None or not change.percent.is_zero() or not change.percent.is_signed()


TICKS = [Decimal(tick) for tick in ("0", "0.0001", "0.0025", "0.01", "0.05", "0.1", "1", "5", "10")]
WIRE_VALUES = st.floats(width=32) | st.builds(
    lambda ticks, tick: float(np.float32(float(ticks * tick))), st.integers(0, 5_000_000), st.sampled_from(TICKS)
)


@given(st.lists(st.tuples(WIRE_VALUES, st.sampled_from(TICKS)), min_size=1, max_size=20))
def test_arrays_round_as_single_values_do(wire: list[tuple[float, Decimal]]) -> None:
    values = np.array([value for value, _ in wire], np.float32)

    units = price_units(values, np.array([int(tick * UNITS) for _, tick in wire]))

    expected = [known_price(float(value), tick) for value, (_, tick) in zip(values, wire, strict=True)]
    assert [Decimal(one) / UNITS for one in units.tolist()] == [one or 0 for one in expected]
    # As a double, what the API shows: it prints as the exact price.
    assert (units / UNITS).tolist() == [float(one or 0) for one in expected]


PRICES = st.integers(1, 10**14).map(lambda units: Decimal(units) / UNITS)


@given(PRICES, PRICES)
def test_arrays_of_changes_are_those_of_single_values(ltp: Decimal, previous_close: Decimal) -> None:
    change, percent = change_units(np.array([int(ltp * UNITS)]), np.array([int(previous_close * UNITS)]))

    expected = price_change(ltp, previous_close)
    assert Decimal(int(change[0])) / UNITS == expected.rupees
    assert Decimal(int(percent[0])) / 100 == expected.percent


def _received(quoted: float | None, tick_size: Decimal) -> Decimal | None:
    return known_price(0.0 if quoted is None else float(np.float32(quoted)), tick_size)
