"""Forward of each series; volatility and Greeks of each option (docs/analytics.md).

Pure: the same inputs give the same analytics. Unknown inputs and analytics are NaN, never zero.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from marketdata.domain.analytics import black76
from marketdata.domain.analytics.black76 import Floats
from marketdata.domain.analytics.ladders import CALL, PUT, Ladders, take_or_nan
from marketdata.domain.analytics.positions import classify_build_up
from marketdata.domain.analytics.premiums import IvReason, Premiums


@dataclass(frozen=True, slots=True)
class OptionAnalytics:
    """Analytics of each strike, of the shape (rows,), and of each option, (rows, 2).

    `iv` is per year as a fraction; `reason` is an `IvReason`; the Greeks have the units of `black76.Greeks`.
    """

    premium: Floats  # (rows, 2)
    iv: Floats
    reason: npt.NDArray[np.uint8]
    delta: Floats  # (rows, 2)
    gamma: Floats
    theta: Floats  # (rows, 2)
    vega: Floats
    oi_change: Floats  # (rows, 2)
    build_up: npt.NDArray[np.uint8]  # (rows, 2)


def choose_forwards(
    ladders: Ladders, *, premium: Floats, spot: Floats, future: Floats, years: Floats, rate: float
) -> Floats:
    """Return the forward of each series: its future's price, else that of put-call parity at the money.

    `spot` and `future` have one element for each series, NaN where unknown. Parity uses the strike nearest to the spot
    whose call and put both have a price; without a spot, the strike whose call and put differ least.
    """
    difference = premium[:, CALL] - premium[:, PUT]
    is_priced = ~np.isnan(difference)
    distance = np.abs(ladders.strike - spot[ladders.series])
    distance = np.where(np.isnan(distance), np.abs(difference), distance)
    rows = ladders.rows_of_least(np.where(is_priced, distance, np.nan))
    by_parity = take_or_nan(ladders.strike, rows) + np.exp(rate * years) * take_or_nan(difference, rows)
    forward = np.where(future > 0, future, by_parity)
    return np.where(forward > 0, forward, np.nan)


def strike_volatilities(
    ladders: Ladders,
    premiums: Premiums,
    *,
    forward: Floats,
    years: Floats,
    rate: float,
    former: Floats | None = None,
) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """Return the volatility of each strike, and of each of its options the reason where it has none.

    `forward` and `years` have one element for each series. The option out of the money decides, and both options of a
    strike have its volatility; where it has no price, that of the other one less the difference of put-call parity.
    `former` are the volatilities of the flush before.
    """
    at, years = forward[ladders.series], years[ladders.series]
    outside = np.where(ladders.strike >= at, CALL, PUT)
    rows = np.arange(len(outside))
    parity = np.exp(-rate * years) * np.abs(at - ladders.strike)
    own, other = premiums.price[rows, outside], premiums.price[rows, 1 - outside]
    premium = np.where(np.isnan(own), other - parity, own)
    iv = black76.implied_volatility(
        premium=premium, forward=at, strike=ladders.strike, years=years, rate=rate, start=former
    )
    failure = np.where(premium > 0, IvReason.NO_SOLUTION, IvReason.BELOW_INTRINSIC)
    failure = np.where(np.isnan(at), IvReason.NO_FORWARD, failure)
    failure = np.where(np.isnan(own) & np.isnan(other), premiums.reason[rows, outside], failure)
    return iv, np.where(np.isnan(iv), failure, IvReason.NONE).astype(np.uint8)


def compute_options(
    ladders: Ladders,
    premiums: Premiums,
    *,
    forward: Floats,
    years: Floats,
    rate: float,
    price_change: Floats,
    oi_change: Floats,
    former: Floats | None = None,
) -> OptionAnalytics:
    """Return the analytics of all options; `price_change` and `oi_change` are since the previous close, (rows, 2)."""
    volatility, reason = strike_volatilities(ladders, premiums, forward=forward, years=years, rate=rate, former=former)
    at, times = forward[ladders.series], years[ladders.series]
    calls = black76.greeks(sign=1.0, forward=at, strike=ladders.strike, years=times, volatility=volatility, rate=rate)
    # Put-call parity: a put is worth its call less the discounted difference of forward and strike. So gamma and vega
    # of both are equal, and half of the work is saved.
    discount = np.exp(-rate * times)
    delta = np.stack([calls.delta, calls.delta - discount], axis=1)
    theta = np.stack([calls.theta, calls.theta - rate * discount * (at - ladders.strike)], axis=1)
    return OptionAnalytics(
        premium=premiums.price,
        iv=volatility,
        reason=reason,
        delta=delta,
        gamma=calls.gamma,
        theta=theta,
        vega=calls.vega,
        oi_change=oi_change,
        build_up=classify_build_up(price_change, oi_change),
    )
