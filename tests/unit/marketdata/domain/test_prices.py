"""Conversion of float32 prices to rupees, and changes against the previous close."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.prices import known_price, price_change, rupees

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


def _received(quoted: float | None, tick_size: Decimal) -> Decimal | None:
    return known_price(0.0 if quoted is None else float(np.float32(quoted)), tick_size)
