"""Forwards, volatilities of strikes and analytics of options, from prices that a known volatility gives."""

import numpy as np
import pytest

from marketdata.domain.analytics import black76
from marketdata.domain.analytics.black76 import Floats
from marketdata.domain.analytics.ladders import CALL, DIRECTIONS, PUT, Ladders
from marketdata.domain.analytics.option_analytics import choose_forwards, compute_options, strike_volatilities
from marketdata.domain.analytics.positions import BuildUp
from marketdata.domain.analytics.premiums import IvReason, Premiums
from tests.unit.marketdata.domain.analytics.ladder_cases import make_ladders

RATE = 0.065
STRIKES = np.arange(23_000.0, 25_001.0, 100.0)
FORWARDS = np.array([24_030.0, 24_180.0])
YEARS = np.array([3 / 252, 22 / 252])
UNKNOWN = np.full(2, np.nan)
AT_24_000 = 10


def smile(strike: Floats, forward: Floats) -> Floats:
    """Return the volatility of a strike in these tests."""
    return 0.12 + 0.6 * np.log(strike / forward) ** 2 - 0.1 * np.log(strike / forward)


def make_prices(ladders: Ladders) -> Floats:
    """Return the price of each option by the smile."""
    forward = FORWARDS[ladders.series][:, np.newaxis]
    strike = ladders.strike[:, np.newaxis]
    return black76.price(
        sign=DIRECTIONS,
        forward=forward,
        strike=strike,
        years=YEARS[ladders.series][:, np.newaxis],
        volatility=smile(strike, forward),
        rate=RATE,
    )


def priced(prices: Floats) -> Premiums:
    return Premiums(prices, np.where(np.isnan(prices), IvReason.WIDE_SPREAD, IvReason.NONE).astype(np.uint8))


def volatilities(prices: Floats, *, forward: Floats = FORWARDS) -> tuple[Floats, list[IvReason]]:
    iv, reason = strike_volatilities(LADDERS, priced(prices), forward=forward, years=YEARS, rate=RATE)
    return iv, [IvReason(one) for one in reason.tolist()]


LADDERS = make_ladders(STRIKES.tolist(), STRIKES.tolist())
PRICES = make_prices(LADDERS)


def test_without_a_future_the_forward_is_that_of_parity() -> None:
    found = choose_forwards(
        LADDERS, premium=PRICES, spot=np.array([24_000.0, np.nan]), future=UNKNOWN, years=YEARS, rate=RATE
    )

    np.testing.assert_allclose(found, FORWARDS, rtol=1e-9)


def test_parity_uses_the_nearest_strike_with_both_prices() -> None:
    prices = PRICES.copy()
    prices[AT_24_000, CALL] = np.nan  # 23,900 and 24,100 are equally near then
    prices[AT_24_000 + 1, PUT] += 7.0

    found = choose_forwards(
        LADDERS, premium=prices, spot=np.array([24_001.0, 24_000.0]), future=UNKNOWN, years=YEARS, rate=RATE
    )

    assert found[0] == pytest.approx(FORWARDS[0] - 7.0 * np.exp(RATE * YEARS[0]))


def test_a_future_comes_before_parity_and_nothing_known_is_no_forward() -> None:
    prices = np.full_like(PRICES, np.nan)

    found = choose_forwards(
        LADDERS, premium=prices, spot=np.array([24_000.0, 24_000.0]), future=np.array([24_100.0, np.nan]), years=YEARS,
        rate=RATE,
    )  # fmt: skip

    assert found[0] == 24_100.0
    assert np.isnan(found[1])


def test_the_volatility_of_each_strike_is_found_from_its_option_out_of_the_money() -> None:
    forward = FORWARDS[LADDERS.series]
    prices = PRICES.copy()
    # Prices in the money are not read where the other one is known.
    prices[:, CALL][LADDERS.strike < forward] += 3.0

    iv, reasons = volatilities(prices)

    np.testing.assert_allclose(iv, smile(LADDERS.strike, forward), atol=1e-8)
    assert set(reasons) == {IvReason.NONE}


def test_where_the_option_out_of_the_money_has_no_price_the_other_one_decides() -> None:
    prices = PRICES.copy()
    prices[AT_24_000 + 5, CALL] = np.nan
    prices[AT_24_000 - 5, PUT] = np.nan

    iv, _ = volatilities(prices)

    np.testing.assert_allclose(iv, smile(LADDERS.strike, FORWARDS[LADDERS.series]), atol=1e-6)


def test_each_missing_volatility_has_its_reason() -> None:
    prices = PRICES.copy()
    prices[0] = np.nan
    prices[1, PUT], prices[1, CALL] = np.nan, 1.0  # a call that is worth a thousand by parity
    prices[-1, CALL] = 24_500.0

    iv, reasons = volatilities(prices)

    assert (reasons[0], reasons[1], reasons[-1]) == (
        IvReason.WIDE_SPREAD,
        IvReason.BELOW_INTRINSIC,
        IvReason.NO_SOLUTION,
    )
    assert np.isnan(iv[[0, 1, -1]]).all()
    assert np.isnan(iv).sum() == 3


def test_without_a_forward_no_strike_of_the_series_has_a_volatility() -> None:
    iv, reasons = volatilities(PRICES, forward=np.array([np.nan, FORWARDS[1]]))

    count = len(STRIKES)
    assert np.isnan(iv[:count]).all()
    assert not np.isnan(iv[count:]).any()
    assert set(reasons[:count]) == {IvReason.NO_FORWARD}


def test_each_option_has_greeks_of_its_own_at_the_volatility_of_its_strike() -> None:
    found = compute_options(
        LADDERS,
        priced(PRICES),
        forward=FORWARDS,
        years=YEARS,
        rate=RATE,
        price_change=np.where(DIRECTIONS > 0, 1.0, -1.0) * np.ones_like(PRICES),
        oi_change=np.full_like(PRICES, 65.0),
    )

    for column, sign in ((CALL, 1.0), (PUT, -1.0)):
        greeks = black76.greeks(
            sign=sign,
            forward=FORWARDS[LADDERS.series],
            strike=LADDERS.strike,
            years=YEARS[LADDERS.series],
            volatility=found.iv,
            rate=RATE,
        )
        np.testing.assert_allclose(found.delta[:, column], greeks.delta, atol=1e-12)
        np.testing.assert_allclose(found.theta[:, column], greeks.theta, rtol=1e-9)
        np.testing.assert_allclose(found.gamma, greeks.gamma, rtol=1e-9)
        np.testing.assert_allclose(found.vega, greeks.vega, rtol=1e-9)
    assert (found.build_up[:, CALL] == BuildUp.LONG_BUILD_UP).all()
    assert (found.build_up[:, PUT] == BuildUp.SHORT_BUILD_UP).all()
