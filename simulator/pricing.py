"""Option prices and Greeks over arrays: Black-76 with a volatility smile.

Prices, forwards and strikes are in rupees, times in years, volatilities fractions a year. Call and put of one strike
have the same volatility, so put-call parity holds before rounding. All listed options are European.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

RISK_FREE_RATE = 0.065  # chosen: close to Indian short-term rates
# Chosen: a plausible smile of index options, per standard deviation from the forward.
SKEW = -0.045
CURVATURE = 0.022
MAX_DEVIATIONS = 6.0  # chosen: further out the quadratic smile would explode


@dataclass(frozen=True, slots=True)
class Greeks:
    """In the broker's units: theta a calendar day, vega for one percentage point of volatility."""

    delta: Floats
    theta: Floats
    gamma: Floats
    vega: Floats


def normal_cdf(x: Floats) -> Floats:
    """Return the standard normal distribution function, within 1e-7 (Abramowitz and Stegun 26.2.17)."""
    t = 1.0 / (1.0 + 0.2316419 * np.abs(x))
    series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    upper = normal_density(x) * series
    return np.where(x >= 0, 1.0 - upper, upper)


def normal_density(x: Floats) -> Floats:
    """Return the standard normal density."""
    density: Floats = np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi)
    return density


def smile(forward: Floats, strike: Floats, years: Floats, at_the_money: Floats) -> Floats:
    """Return the volatility of each strike: higher on the downside and in both wings."""
    deviations = np.log(strike / forward) / (at_the_money * np.sqrt(years))
    z = np.clip(deviations, -MAX_DEVIATIONS, MAX_DEVIATIONS)
    volatility: Floats = at_the_money * (1.0 + SKEW * z + CURVATURE * z * z)
    return volatility


def black_76(forward: Floats, strike: Floats, years: Floats, volatility: Floats, is_call: Bools) -> Floats:
    """Return the price of each option, never below its discounted intrinsic value."""
    d1, d2 = _d1_d2(forward, strike, years, volatility)
    sign = np.where(is_call, 1.0, -1.0)
    discount = np.exp(-RISK_FREE_RATE * years)
    # The approximation of the normal distribution may lie below the intrinsic value by 1e-7 of the forward.
    value = sign * (forward * normal_cdf(sign * d1) - strike * normal_cdf(sign * d2))
    return discount * np.maximum(value, np.maximum(sign * (forward - strike), 0.0))


def greeks(forward: Floats, strike: Floats, years: Floats, volatility: Floats, is_call: Bools) -> Greeks:
    """Return the sensitivities of each option to its forward, time and volatility."""
    d1, _ = _d1_d2(forward, strike, years, volatility)
    sign = np.where(is_call, 1.0, -1.0)
    discount = np.exp(-RISK_FREE_RATE * years)
    density = normal_density(d1)
    price = black_76(forward, strike, years, volatility, is_call)
    decay = discount * forward * density * volatility / (2.0 * np.sqrt(years))
    return Greeks(
        delta=sign * discount * normal_cdf(sign * d1),
        theta=(RISK_FREE_RATE * price - decay) / 365.0,
        gamma=discount * density / (forward * volatility * np.sqrt(years)),
        vega=discount * forward * density * np.sqrt(years) / 100.0,
    )


def _d1_d2(forward: Floats, strike: Floats, years: Floats, volatility: Floats) -> tuple[Floats, Floats]:
    deviation = volatility * np.sqrt(years)
    d1 = np.log(forward / strike) / deviation + 0.5 * deviation
    return d1, d1 - deviation
