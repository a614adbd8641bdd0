"""Option prices against published values, and the no-arbitrage rules that all prices obey."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import pricing

forwards = st.floats(10, 100_000)
ratios = st.floats(0.5, 2.0)
terms = st.floats(0.001, 3.0)
volatilities = st.floats(0.05, 1.0)


def one(value: float) -> pricing.Floats:
    return np.array([value])


def price(forward: float, strike: float, years: float, volatility: float, *, is_call: bool) -> float:
    arguments = (one(forward), one(strike), one(years), one(volatility), np.array([is_call]))
    return float(pricing.black_76(*arguments)[0])


@pytest.mark.parametrize("x", [-5.0, -1.96, -0.5, 0.0, 0.3, 1.0, 1.96, 4.0])
def test_the_normal_distribution_agrees_with_the_error_function(x: float) -> None:
    assert float(pricing.normal_cdf(one(x))[0]) == pytest.approx(0.5 * (1 + math.erf(x / math.sqrt(2))), abs=1e-7)


def test_a_textbook_option_has_its_textbook_price() -> None:
    """Forward 100, strike 100, a year, 20 %: 7.96557 undiscounted."""
    discount = math.exp(-pricing.RISK_FREE_RATE)

    assert price(100, 100, 1.0, 0.20, is_call=True) == pytest.approx(7.96557 * discount, abs=1e-4)
    assert price(100, 100, 1.0, 0.20, is_call=False) == pytest.approx(7.96557 * discount, abs=1e-4)


@given(forward=forwards, ratio=ratios, years=terms, volatility=volatilities)
def test_call_less_put_is_the_discounted_forward_less_strike(
    forward: float, ratio: float, years: float, volatility: float
) -> None:
    strike = forward * ratio
    call = price(forward, strike, years, volatility, is_call=True)
    put = price(forward, strike, years, volatility, is_call=False)

    discount = math.exp(-pricing.RISK_FREE_RATE * years)
    assert call - put == pytest.approx(discount * (forward - strike), abs=forward * 1e-6)


@given(forward=forwards, ratio=ratios, years=terms)
def test_a_smile_is_above_its_bottom_everywhere_and_higher_below_the_money(
    forward: float, ratio: float, years: float
) -> None:
    at_the_money = 0.2
    below, above = (
        float(pricing.smile(one(forward), one(forward * strike), one(years), one(at_the_money))[0])
        for strike in (min(ratio, 1 / ratio), max(ratio, 1 / ratio))
    )

    assert below >= above > 0.9 * at_the_money


def test_greeks_of_an_option_at_the_money_are_those_of_a_recorded_one() -> None:
    """NIFTY 22950 on 28 Jan 2025, two days left: delta .523, theta -35.9, gamma .00108, vega 7.17 at 20.4 %."""
    found = pricing.greeks(one(22_966.0), one(22_950.0), one(2.1 / 365), one(0.204), np.array([True]))

    assert found.delta[0] == pytest.approx(0.523, abs=0.02)
    assert found.theta[0] == pytest.approx(-35.9, rel=0.1)
    assert found.gamma[0] == pytest.approx(0.00108, rel=0.1)
    assert found.vega[0] == pytest.approx(7.17, rel=0.05)
