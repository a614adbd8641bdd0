"""Rankings against loops that sort everything."""

from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.analytics.positions import BuildUp
from marketdata.domain.analytics.rankings import (
    BUILD_UP_OF,
    LEAST_OI_LOTS,
    LEAST_OPTIONS,
    LEAST_TICKS,
    LEAST_VOLUME_LOTS,
    MOST_ROWS,
    Ranking,
    Scan,
    Subject,
    has_time_value,
    out_of_the_money,
    parse_scan,
    percent_change,
    rank_build_up,
    rank_oi_change,
    rank_unusual_volume,
    risen,
    subject_of,
    sum_build_ups,
    top,
)

UNKNOWN = float("nan")
# Few values, so that equal scores are frequent.
scores = st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats(-1e9, 1e9), st.just(UNKNOWN)), max_size=80)
lots = st.one_of(st.integers(0, 2 * LEAST_VOLUME_LOTS).map(float), st.just(UNKNOWN))


@given(scores, st.integers(1, 60))
def test_the_top_are_the_highest_and_of_equal_ones_the_first(values: list[float], count: int) -> None:
    known = [(-one, index) for index, one in enumerate(values) if not isnan(one)]

    assert top(np.array(values), count=count).tolist() == [index for _, index in sorted(known)[:count]]


def test_a_ranking_has_at_most_fifty_rows() -> None:
    assert len(top(np.arange(1_000.0))) == MOST_ROWS == 50


@given(st.lists(st.tuples(lots, lots), min_size=1, max_size=40), st.booleans())
def test_a_change_of_open_interest_ranks_by_lots_where_enough_are_or_were_open(
    pairs: list[tuple[float, float]], is_falling: bool
) -> None:
    # Pairs of the open interest now and at the previous close.
    oi, base = np.array(pairs).T

    found = rank_oi_change(oi, oi - base, is_falling=is_falling)

    for score, (now, before) in zip(found.tolist(), pairs, strict=True):
        change = before - now if is_falling else now - before
        is_ranked = change > 0 and (now >= LEAST_OI_LOTS or before >= LEAST_OI_LOTS)
        assert score == change if is_ranked else isnan(score)


@given(st.lists(st.tuples(lots, lots), min_size=1, max_size=40))
def test_unusual_volume_is_that_of_the_day_divided_by_open_interest(pairs: list[tuple[float, float]]) -> None:
    volume, oi = np.array(pairs).T

    found = rank_unusual_volume(volume, oi)

    for score, (traded, interest) in zip(found.tolist(), pairs, strict=True):
        is_ranked = traded >= LEAST_VOLUME_LOTS and interest >= LEAST_OI_LOTS
        assert score == traded / interest if is_ranked else isnan(score)


def test_rises_and_falls_are_two_rankings_and_what_stands_still_is_in_none() -> None:
    change = np.array([2.0, -3.0, 0.0, UNKNOWN])

    np.testing.assert_array_equal(risen(change, is_falling=False), [2, UNKNOWN, UNKNOWN, UNKNOWN])
    np.testing.assert_array_equal(risen(change, is_falling=True), [UNKNOWN, 3, UNKNOWN, UNKNOWN])


def test_a_percentage_needs_a_positive_base() -> None:
    found = percent_change(np.array([11.0, 5.0, 5.0, UNKNOWN]), np.array([10.0, 0.0, UNKNOWN, 10.0]))

    np.testing.assert_allclose(found, [10, UNKNOWN, UNKNOWN, UNKNOWN])


@pytest.mark.parametrize(
    ("time_value", "tick_size", "is_enough"),
    [(0.5, 0.05, True), (0.45, 0.05, False), (UNKNOWN, 0.05, False), (5.0, 0.0, False), (1.0, 0.1, True)],
)
def test_a_volatility_counts_with_ten_ticks_of_time_value(time_value: float, tick_size: float, is_enough: bool) -> None:
    assert LEAST_TICKS == 10
    # Rounded as float32, as in the rows of options.
    values = np.array([time_value], dtype=np.float32).astype(float)
    assert has_time_value(values, np.array([tick_size])).tolist() == [is_enough]


def test_the_volatility_of_a_strike_is_that_of_the_option_out_of_the_money() -> None:
    intrinsic = np.array([[30.0, 0.0], [0.0, 20.0], [0.0, 0.0], [30.0, UNKNOWN]])
    is_listed = np.array([[True, True], [True, True], [True, True], [True, False]])

    # Put, call, call where both are at the money, and the only one.
    assert out_of_the_money(intrinsic, is_listed).tolist() == [1, 0, 0, 0]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(BuildUp)),
            st.one_of(st.integers(LEAST_OI_LOTS - 2, LEAST_OI_LOTS + 50).map(float), st.just(UNKNOWN)),
            st.integers(0, 2),
        ),
        max_size=90,
    )
)
def test_build_up_by_underlying_is_that_of_a_loop(options: list[tuple[BuildUp, float, int]]) -> None:
    kinds, oi, underlying = (
        np.array([one[place] for one in options], dtype=dtype) for place, dtype in enumerate((np.uint8, float, np.intp))
    )

    found = sum_build_ups(kinds, oi, underlying, 3)

    for number in range(3):
        mine = [
            (kind, interest)
            for kind, interest, one in options
            if one == number and kind is not BuildUp.NONE and interest >= LEAST_OI_LOTS
        ]
        assert found.options[number] == len(mine)
        for kind in BUILD_UP_OF.values():
            weights = [interest for one, interest in mine if one is kind]
            assert found.counts[number, kind] == len(weights)
            share = found.shares[number, kind]
            if len(mine) < LEAST_OPTIONS:
                assert isnan(share)
            else:
                assert share == pytest.approx(100 * sum(weights) / sum(interest for _, interest in mine))


def test_an_underlying_without_the_kind_is_not_ranked() -> None:
    kinds = np.array([BuildUp.LONG_BUILD_UP] * LEAST_OPTIONS, dtype=np.uint8)
    build_ups = sum_build_ups(kinds, np.full(LEAST_OPTIONS, 200.0), np.zeros(LEAST_OPTIONS, dtype=np.intp), 1)

    assert rank_build_up(build_ups, Ranking.LONG_BUILD_UP).tolist() == [100.0]
    assert np.isnan(rank_build_up(build_ups, Ranking.SHORT_BUILD_UP)).all()


def test_each_ranking_ranks_one_kind_of_subject() -> None:
    assert subject_of(Ranking.OI_RISE) is Subject.OPTION
    assert subject_of(Ranking.STRADDLE_FALL) is Subject.SERIES
    assert subject_of(Ranking.SHORT_COVERING) is Subject.UNDERLYING


@given(st.sampled_from(Ranking), st.none() | st.text(min_size=1).filter(lambda name: name == name.rstrip()))
def test_the_name_of_a_scan_is_parsed_again(ranking: Ranking, underlying: str | None) -> None:
    scan = Scan(ranking, underlying)

    assert parse_scan(str(scan)) == scan


def test_a_ranking_of_another_version_is_no_scan() -> None:
    assert parse_scan("gamma_squeeze NSE:NIFTY") is None
