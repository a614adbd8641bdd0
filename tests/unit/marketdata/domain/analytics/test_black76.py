"""Black-76 against vollib, whose prices and volatilities come from Jaeckel's exact method."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from vollib.black import black
from vollib.black.greeks import analytical
from vollib.black.implied_volatility import implied_volatility as exact_volatility

from marketdata.domain.analytics import black76

RATE = 0.065
TICK = 0.05
FLAGS = {1: "c", -1: "p"}

signs = st.sampled_from([1, -1])
forwards = st.floats(10, 100_000)
# As logarithms of strike over forward: the widest listed strikes are a third away.
distances = st.floats(-0.35, 0.35)
# From a minute of trading to five years.
times = st.floats(60 / (252 * 22_500), 5.0)
volatilities = st.floats(0.03, 2.0)


def option(sign: int, forward: float, distance: float) -> tuple[int, float, float]:
    return sign, forward, forward * float(np.exp(distance))


def arrays(*values: float) -> list[np.ndarray]:
    return [np.array([value], dtype=float) for value in values]


@given(signs, forwards, distances, times, volatilities)
def test_prices_are_those_of_vollib(
    sign: int, forward: float, distance: float, years: float, volatility: float
) -> None:
    sign, forward, strike = option(sign, forward, distance)

    found = black76.price(sign=sign, forward=forward, strike=strike, years=years, volatility=volatility, rate=RATE)

    assert float(found) == pytest.approx(
        black(FLAGS[sign], forward, strike, years, RATE, volatility), rel=1e-9, abs=1e-9 * forward
    )


@given(forwards, distances, times, volatilities)
@example(24_000.0, 0.0, 1 / 252, 0.12)
@example(24_000.0, 1e-9, 1 / 252, 0.12)
def test_volatilities_are_those_of_vollib_within_a_millionth(
    forward: float, distance: float, years: float, volatility: float
) -> None:
    sign, forward, strike = option(1 if distance >= 0 else -1, forward, distance)
    premium = black(FLAGS[sign], forward, strike, years, RATE, volatility)
    # A price below a tick cannot be quoted, and one close to the forward has lost its time value to rounding.
    if premium < TICK or premium > 0.95 * np.exp(-RATE * years) * min(forward, strike):
        return
    premiums, at, strikes, time = arrays(premium, forward, strike, years)

    (found,) = black76.implied_volatility(premium=premiums, forward=at, strike=strikes, years=time, rate=RATE)

    assert found == pytest.approx(exact_volatility(premium, forward, strike, RATE, years, FLAGS[sign]), abs=1e-6)
    assert found == pytest.approx(volatility, abs=1e-6)


@given(forwards, distances, times, volatilities, st.floats(0.2, 5.0))
def test_a_start_changes_no_volatility(
    forward: float, distance: float, years: float, volatility: float, factor: float
) -> None:
    sign, forward, strike = option(1 if distance >= 0 else -1, forward, distance)
    premium = black(FLAGS[sign], forward, strike, years, RATE, volatility)
    if premium < TICK:
        return
    premiums, at, strikes, time, start = arrays(premium, forward, strike, years, volatility * factor)
    cold = black76.implied_volatility(premium=premiums, forward=at, strike=strikes, years=time, rate=RATE)

    warm = black76.implied_volatility(premium=premiums, forward=at, strike=strikes, years=time, rate=RATE, start=start)

    np.testing.assert_allclose(warm, cold, rtol=0, atol=1e-8)


@given(signs, forwards, distances, times, volatilities)
def test_greeks_are_those_of_vollib(
    sign: int, forward: float, distance: float, years: float, volatility: float
) -> None:
    sign, forward, strike = option(sign, forward, distance)
    given_values = (FLAGS[sign], forward, strike, years, RATE, volatility)

    found = black76.greeks(sign=sign, forward=forward, strike=strike, years=years, volatility=volatility, rate=RATE)

    assert float(found.delta) == pytest.approx(analytical.delta(*given_values), abs=1e-9)
    assert float(found.gamma) == pytest.approx(analytical.gamma(*given_values), rel=1e-7, abs=1e-15)
    # vollib's theta is per day of 365.
    assert float(found.theta) / 365 == pytest.approx(analytical.theta(*given_values), rel=1e-7, abs=1e-9 * forward)
    assert float(found.vega) == pytest.approx(analytical.vega(*given_values), rel=1e-7, abs=1e-12 * forward)


@pytest.mark.parametrize(
    ("premium", "strike"),
    [
        (0.0, 25_000.0),
        (-1.0, 25_000.0),
        (float("nan"), 25_000.0),
        (24_000.0, 25_000.0),  # a call that costs as much as the forward
        (25_000.0, 23_000.0),  # a put that costs more than its strike
    ],
)
def test_a_price_that_no_volatility_explains_has_none(premium: float, strike: float) -> None:
    premiums, at, strikes, time = arrays(premium, 24_000.0, strike, 0.02)

    found = black76.implied_volatility(premium=premiums, forward=at, strike=strikes, years=time, rate=0.0)

    assert np.isnan(found).all()


def test_unknown_inputs_have_no_figures_and_change_no_others() -> None:
    premium = np.array([250.0, np.nan, 250.0])
    forward = np.array([24_000.0, 24_000.0, np.nan])
    strike, years = np.full(3, 24_000.0), np.full(3, 7 / 252)

    found = black76.implied_volatility(premium=premium, forward=forward, strike=strike, years=years, rate=RATE)
    greeks = black76.greeks(sign=1, forward=forward, strike=strike, years=years, volatility=found, rate=RATE)

    assert np.isnan(found).tolist() == [False, True, True]
    assert all(np.isnan(one).tolist() == [False, True, True] for one in greeks)
