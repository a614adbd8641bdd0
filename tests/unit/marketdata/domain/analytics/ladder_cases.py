"""Ladders of series for tests: from listed strikes, and by Hypothesis."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from marketdata.domain.analytics.black76 import Floats
from marketdata.domain.analytics.ladders import Ladders

UNITS = 10_000


def make_ladders(*series: Sequence[float], tick_size: float = 0.05) -> Ladders:
    """Return the ladders of series with these strikes, each ascending."""
    strikes = np.array([strike for one in series for strike in one])
    sizes = [len(one) for one in series]
    return Ladders(
        starts=np.cumsum([0, *sizes[:-1]]),
        series=np.repeat(np.arange(len(series)), sizes),
        strike_units=np.round(strikes * UNITS).astype(np.int64),
        strike=strikes,
        tick_size=np.full((len(strikes), 2), tick_size),
    )


strike_sets = st.lists(
    st.lists(st.integers(1, 2_000), min_size=1, max_size=12, unique=True).map(sorted), min_size=1, max_size=5
)
"""Several series with strikes of whole rupees."""


def columns_of(ladders: Ladders, values: st.SearchStrategy[float]) -> st.SearchStrategy[Floats]:
    """Return arrays of the shape (rows, 2)."""
    count = 2 * len(ladders.strike)
    return st.lists(values, min_size=count, max_size=count).map(lambda one: np.array(one, dtype=float).reshape(-1, 2))
