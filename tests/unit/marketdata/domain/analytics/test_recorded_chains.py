"""Our volatilities beside those of the broker, on recorded chains of NIFTY.

The broker states neither its time nor its forward. Both are fitted to its volatilities of the strikes near the money,
two numbers for a chain; then all others must agree. Its own premium is the last trade, ours the mid.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import least_squares

from marketdata.domain.analytics import black76
from marketdata.domain.analytics.black76 import Floats
from marketdata.domain.analytics.ladders import CALL, DIRECTIONS, PUT
from marketdata.domain.analytics.premiums import choose_premiums

RECORDED = ("2025-01-25T0843Z", "2025-01-28T0933Z")
TICK = 0.05
LEAST_TIME_VALUE = 5 * TICK
MOST_DIFFERENCE = 0.3
"""Percentage points."""
LEAST_SHARE = 0.95
NEAR = 600.0
"""Rupees from the spot of the strikes to which forward and time are fitted."""
GUESS = (0.0, 0.01)
"""Forward less spot, and years."""


def read_chain(directory: Path, recorded: str) -> tuple[float, Floats, dict[str, Floats]]:
    """Return spot, strikes, and fields of the shape (strikes, 2)."""
    path = directory / "rest" / f"optionchain-NIFTY-exp2025-01-30-recorded-{recorded}.json.gz"
    chain = json.loads(gzip.decompress(path.read_bytes()))["data"]
    rows = sorted((float(strike), sides) for strike, sides in chain["oc"].items())
    names = ("top_bid_price", "top_ask_price", "last_price", "implied_volatility")
    fields = {
        name: np.array([[float((sides.get(side) or {}).get(name) or 0) for side in ("ce", "pe")] for _, sides in rows])
        for name in names
    }
    return float(chain["last_price"]), np.array([strike for strike, _ in rows]), fields


def fit_forward_and_time(strikes: Floats, premium: Floats, iv: Floats, spot: float) -> tuple[float, float]:
    """Return the forward and the years at which the broker's volatilities near the money give its premiums."""

    row, side = np.nonzero((iv > 0) & (np.abs(strikes - spot)[:, np.newaxis] <= NEAR))

    def miss(guess: npt.NDArray[np.float64]) -> Floats:
        value = black76.price(
            sign=DIRECTIONS[side],
            forward=spot + guess[0],
            strike=strikes[row],
            years=guess[1],
            volatility=iv[row, side],
            rate=0.0,
        )
        return value - premium[row, side]

    found = least_squares(miss, GUESS, x_scale=(10.0, 0.001), bounds=([-1_000.0, 1e-4], [1_000.0, 1.0])).x
    return spot + float(found[0]), float(found[1])


@pytest.mark.parametrize("recorded", RECORDED)
def test_volatilities_of_recorded_chains_are_within_a_third_of_a_point_of_the_brokers(
    recorded: str, reference_data: Path
) -> None:
    spot, strikes, fields = read_chain(reference_data, recorded)
    iv = fields["implied_volatility"] / 100
    premium = choose_premiums(
        bid=fields["top_bid_price"],
        ask=fields["top_ask_price"],
        ltp=fields["last_price"],
        tick_size=np.full(iv.shape, TICK),
        is_trade_newer=np.ones(iv.shape, dtype=bool),
    ).price
    forward, years = fit_forward_and_time(strikes, premium, iv, spot)
    rows = np.arange(len(strikes))
    outside = np.where(strikes >= forward, CALL, PUT)
    own = premium[rows, outside]

    found = black76.implied_volatility(
        premium=own,
        forward=np.full(len(strikes), forward),
        strike=strikes,
        years=np.full(len(strikes), years),
        rate=0.0,
    )

    is_compared = (own >= LEAST_TIME_VALUE) & (iv[rows, outside] > 0)
    difference = 100 * np.abs(found - iv[rows, outside])[is_compared]
    assert is_compared.sum() > 100
    agreeing = (difference <= MOST_DIFFERENCE).mean()
    others = {
        strike: (round(bid, 2), round(ask, 2), round(traded, 2), round(miss, 2))
        for strike, bid, ask, traded, miss in zip(
            strikes[is_compared],
            fields["top_bid_price"][rows, outside][is_compared],
            fields["top_ask_price"][rows, outside][is_compared],
            fields["last_price"][rows, outside][is_compared],
            difference,
            strict=True,
        )
        if not miss <= MOST_DIFFERENCE
    }
    assert agreeing >= LEAST_SHARE, others
    # The rest are options of at most 24 ticks, of which the mid and the last trade are a tick or more apart.
    assert all(ask <= 24 * TICK for _, ask, _, _ in others.values()), others
