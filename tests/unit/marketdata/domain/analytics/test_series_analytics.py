"""Analytics of series against loops over their strikes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.analytics.black76 import Floats
from marketdata.domain.analytics.ladders import CALL, PUT, Ladders
from marketdata.domain.analytics.option_analytics import OptionAnalytics
from marketdata.domain.analytics.series_analytics import SeriesAnalytics, compute_series
from tests.unit.marketdata.domain.analytics.ladder_cases import columns_of, make_ladders, strike_sets

UNKNOWN = float("nan")


def make_options(
    ladders: Ladders,
    *,
    premium: Floats | None = None,
    iv: Floats | None = None,
    delta: Floats | None = None,
    oi_change: Floats | None = None,
) -> OptionAnalytics:
    unknown = np.full((len(ladders.strike), 2), np.nan)

    def known(values: Floats | None) -> Floats:
        return unknown if values is None else values

    return OptionAnalytics(
        premium=known(premium),
        iv=unknown[:, 0] if iv is None else iv,
        reason=np.zeros(len(unknown), np.uint8),
        delta=known(delta),
        gamma=unknown[:, 0],
        theta=unknown,
        vega=unknown[:, 0],
        oi_change=known(oi_change),
        build_up=np.zeros(unknown.shape, np.uint8),
    )


def analytics(
    ladders: Ladders,
    *,
    oi: Floats | None = None,
    volume: Floats | None = None,
    spot: list[float] | None = None,
    forward: list[float] | None = None,
    **options: Floats,
) -> SeriesAnalytics:
    unknown = np.full((len(ladders.strike), 2), np.nan)
    nowhere = np.full(len(ladders.starts), np.nan)
    return compute_series(
        ladders,
        make_options(ladders, **options),
        oi=unknown if oi is None else oi,
        volume=unknown if volume is None else volume,
        spot=nowhere if spot is None else np.array(spot),
        forward=nowhere if forward is None else np.array(forward),
    )


def rows_of(ladders: Ladders, number: int) -> range:
    return range(int(ladders.starts[number]), int(ladders.ends[number]))


def known(value: float) -> int:
    return 0 if np.isnan(value) else int(value)


def brute_max_pain(ladders: Ladders, oi: Floats, rows: range) -> float:
    """Return the strike at which the sum of all payments is least."""

    def pain(settlement: int) -> int:
        return sum(
            known(oi[row, CALL]) * max(0, settlement - int(ladders.strike_units[row]))
            + known(oi[row, PUT]) * max(0, int(ladders.strike_units[row]) - settlement)
            for row in rows
        )

    if not any(known(oi[row, side]) for row in rows for side in (CALL, PUT)):
        return UNKNOWN
    # `min` takes the first of equal ones, and strikes ascend.
    return float(ladders.strike[min(rows, key=lambda row: pain(int(ladders.strike_units[row])))])


def brute_highest(ladders: Ladders, oi: Floats, rows: range, side: int) -> float:
    most = max(known(oi[row, side]) for row in rows)
    return next((float(ladders.strike[row]) for row in rows if most and known(oi[row, side]) == most), UNKNOWN)


def ratio(upper: int, lower: int) -> float:
    return upper / lower if lower else UNKNOWN


@given(st.data())
def test_sums_ratios_max_pain_and_highest_strikes_are_those_of_loops(data: st.DataObject) -> None:
    ladders = make_ladders(*data.draw(strike_sets))
    # Up to the most that 32 bits hold, and unknown ones.
    oi = data.draw(columns_of(ladders, st.one_of(st.integers(0, 5), st.integers(0, 2**32 - 1), st.just(UNKNOWN))))
    volume = data.draw(columns_of(ladders, st.one_of(st.integers(0, 2**40), st.just(UNKNOWN))))
    change = data.draw(columns_of(ladders, st.one_of(st.integers(-(2**31), 2**31), st.just(UNKNOWN))))

    found = analytics(ladders, oi=oi, volume=volume, oi_change=change)

    for number in range(len(ladders.starts)):
        rows = rows_of(ladders, number)
        ce_oi, pe_oi = (sum(known(oi[row, side]) for row in rows) for side in (CALL, PUT))
        ce_volume, pe_volume = (sum(known(volume[row, side]) for row in rows) for side in (CALL, PUT))
        changes = [[change[row, side] for row in rows if not np.isnan(change[row, side])] for side in (CALL, PUT)]
        expected = {
            "ce_oi": ce_oi,
            "pe_oi": pe_oi,
            "pcr_oi": ratio(pe_oi, ce_oi),
            "pcr_volume": ratio(pe_volume, ce_volume),
            "ce_oi_change": sum(changes[CALL]) if changes[CALL] else UNKNOWN,
            "pe_oi_change": sum(changes[PUT]) if changes[PUT] else UNKNOWN,
            "max_pain": brute_max_pain(ladders, oi, rows),
            "resistance": brute_highest(ladders, oi, rows, CALL),
            "support": brute_highest(ladders, oi, rows, PUT),
            "strikes_counted": sum(not np.isnan(oi[row]).all() for row in rows),
        }
        for name, value in expected.items():
            assert getattr(found, name)[number] == pytest.approx(value, nan_ok=True, rel=1e-12), name


@given(st.data())
def test_the_strike_at_the_money_is_the_nearest_to_the_spot_a_tie_going_up(data: st.DataObject) -> None:
    ladders = make_ladders(*data.draw(strike_sets))
    halves = st.integers(2, 4_000).map(lambda value: value / 2)
    count = len(ladders.starts)
    spot = data.draw(st.lists(halves, min_size=count, max_size=count))
    premium = data.draw(columns_of(ladders, st.floats(0.05, 500)))

    found = analytics(ladders, spot=spot, premium=premium)

    for number, price in enumerate(spot):
        nearest = min(
            rows_of(ladders, number), key=lambda row: (abs(ladders.strike[row] - price), -ladders.strike[row])
        )
        assert found.atm_strike[number] == ladders.strike[nearest]
        assert found.straddle[number] == pytest.approx(premium[nearest].sum())
        assert found.expected_move[number] == pytest.approx(100 * premium[nearest].sum() / price)


def test_without_a_spot_the_forward_decides_what_is_at_the_money() -> None:
    ladders = make_ladders([100, 110, 120])

    assert analytics(ladders, forward=[111.0]).atm_strike.tolist() == [110.0]
    assert np.isnan(analytics(ladders).atm_strike).all()


def test_the_volatility_at_the_money_lies_on_the_line_between_the_strikes_beside_the_forward() -> None:
    ladders = make_ladders([100, 110, 120], [100, 110, 120], [100, 110, 120])
    iv = np.array([0.30, 0.20, 0.16, 0.30, UNKNOWN, 0.16, 0.30, UNKNOWN, UNKNOWN])

    found = analytics(ladders, forward=[112.5, 112.5, 112.5], iv=iv)

    # The second series has no volatility at 110, the third one none above the forward.
    assert found.atm_iv == pytest.approx([0.19, 0.30 + 0.625 * (0.16 - 0.30), 0.30])


def test_the_skew_is_the_volatility_of_the_25_delta_call_less_that_of_the_put() -> None:
    ladders = make_ladders([90, 95, 100, 105, 110])
    delta = np.array([[0.9, -0.1], [0.8, -0.2], [0.6, -0.4], [0.3, -0.7], [0.1, -0.9]])
    iv = np.array([0.30, 0.26, 0.22, 0.20, 0.24])

    found = analytics(ladders, forward=[101.0], iv=iv, delta=delta)

    call = 0.20 + 0.25 * (0.24 - 0.20)  # a quarter of the way from 0.3 to 0.1
    put = 0.26 + 0.25 * (0.22 - 0.26)  # a quarter of the way from 0.2 to 0.4
    assert found.skew == pytest.approx([call - put])


def test_without_a_strike_beyond_there_is_no_skew() -> None:
    ladders = make_ladders([95, 100, 105])
    delta = np.array([[0.7, -0.3], [0.6, -0.4], [0.3, -0.7]])

    assert np.isnan(analytics(ladders, forward=[101.0], iv=np.array([0.2, 0.2, 0.2]), delta=delta).skew).all()
