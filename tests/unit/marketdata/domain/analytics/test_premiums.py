"""The price that a volatility is computed from."""

import numpy as np
import pytest

from marketdata.domain.analytics.premiums import IvReason, choose_premiums


def choose(
    bid: float, ask: float, ltp: float, *, tick_size: float = 0.05, is_trade_newer: bool = False
) -> tuple[float | None, IvReason]:
    found = choose_premiums(
        bid=np.array([bid]),
        ask=np.array([ask]),
        ltp=np.array([ltp]),
        tick_size=np.array([tick_size]),
        is_trade_newer=np.array([is_trade_newer]),
    )
    price = float(found.price[0])
    return None if np.isnan(price) else round(price, 6), IvReason(found.reason[0])


@pytest.mark.parametrize(
    ("bid", "ask", "mid"),
    [
        (100.0, 100.1, 100.05),
        (97.5, 102.5, 100.0),  # 5 %
        (0.05, 0.25, 0.15),  # four ticks
        (100.0, 100.0, 100.0),
    ],
)
def test_a_narrow_quote_gives_its_mid_also_beside_a_newer_trade(bid: float, ask: float, mid: float) -> None:
    assert choose(bid, ask, 55.0, is_trade_newer=True) == (mid, IvReason.NONE)


@pytest.mark.parametrize(("bid", "ask"), [(97.4, 102.6), (0.05, 0.30), (100.0, 99.0), (0.0, 100.0), (100.0, 0.0)])
def test_without_a_narrow_quote_a_newer_trade_counts(bid: float, ask: float) -> None:
    assert choose(bid, ask, 55.0, is_trade_newer=True) == (55.0, IvReason.NONE)


def test_a_trade_before_a_wide_quote_does_not_count() -> None:
    assert choose(90.0, 110.0, 100.0) == (None, IvReason.WIDE_SPREAD)


def test_a_trade_without_a_quote_counts_whenever_it_was() -> None:
    assert choose(0.0, 0.0, 100.0) == (100.0, IvReason.NONE)


def test_nothing_known_is_no_price() -> None:
    assert choose(0.0, 0.0, 0.0) == (None, IvReason.NO_PRICE)
    assert choose(float("nan"), float("nan"), float("nan")) == (None, IvReason.NO_PRICE)
    assert choose(90.0, 110.0, 0.0, is_trade_newer=True) == (None, IvReason.WIDE_SPREAD)
