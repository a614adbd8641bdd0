"""Rupees out of float32."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.prices import rupees


@pytest.mark.parametrize(
    ("quoted", "tick", "expected"),
    [
        ("248.30", "0.05", "248.3"),
        ("24562.37", "0.05", "24562.37"),  # an index moves by paise, whatever its row says
        ("150000.05", "0.05", "150000.05"),
        ("97.4325", "0.0025", "97.4325"),
        ("5800", "1", "5800"),
        ("0.05", "0.05", "0.05"),
        ("81234.57", "0", "81234.57"),
    ],
)
def test_a_float32_becomes_the_price_that_was_quoted(quoted: str, tick: str, expected: str) -> None:
    assert str(rupees(float(np.float32(quoted)), Decimal(tick))) == expected


@given(st.integers(1, 5_000_000), st.sampled_from([Decimal("0.05"), Decimal("0.1"), Decimal(1)]))
def test_every_price_on_a_tick_survives_the_wire(ticks: int, tick: Decimal) -> None:
    price = ticks * tick

    assert rupees(float(np.float32(float(price))), tick) == price
