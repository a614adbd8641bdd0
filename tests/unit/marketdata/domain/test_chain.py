"""Strike step, ATM, window, and the rule for recentring a window."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain import chain

LISTED: list[dict[str, Any]] = json.loads((Path(__file__).parents[3] / "data" / "listed_strikes.json").read_text())
NOW = datetime(2026, 2, 10, 4, 30, tzinfo=UTC)


def decimals(*values: str | int) -> tuple[Decimal, ...]:
    return tuple(Decimal(value) for value in values)


NIFTY = decimals(*range(24_000, 26_001, 50))


def make_window(*, ltp: str | Decimal = "25000", age: timedelta = timedelta(0)) -> chain.Window:
    price = Decimal(ltp)
    return chain.Window(price, NOW - age, Decimal(50), Decimal(25_000), Decimal(24_000), Decimal(26_000))


def window(strikes: Sequence[Decimal], *, ltp: Decimal, width: int) -> chain.Window:
    return chain.calculate_window(strikes, ltp=ltp, width=width, now=NOW)


def inside(strikes: Sequence[Decimal], found: chain.Window) -> tuple[Decimal, ...]:
    return tuple(one for one in strikes if found.lowest_strike <= one <= found.highest_strike)


@pytest.mark.parametrize("series", LISTED, ids=lambda series: series["name"])
def test_atm_is_the_nearest_listed_strike_and_the_step_is_the_gap_beside_it(series: dict[str, Any]) -> None:
    strikes = decimals(*series["strikes"])
    found = [window(strikes, ltp=Decimal(at["ltp"]), width=3) for at in series["at"]]

    assert [(at.atm, at.strike_step) for at in found] == [decimals(at["atm"], at["step"]) for at in series["at"]]


@pytest.mark.parametrize(
    ("ltp", "step", "expected"),
    [
        ("24562.49", "50", "24550"),
        ("24575", "50", "24600"),
        ("24574.99", "50", "24550"),
        ("24525", "50", "24550"),
        ("24475", "50", "24500"),
        ("1448.75", "2.5", "1450.0"),
    ],
)
def test_where_all_multiples_are_listed_atm_is_the_nearest_multiple_of_the_step(
    ltp: str, step: str, expected: str
) -> None:
    strikes = [number * Decimal(step) for number in range(1, 1_000)]

    assert window(strikes, ltp=Decimal(ltp), width=1).atm == Decimal(expected)


def test_the_strike_step_is_the_gap_around_the_money_not_the_most_frequent_one() -> None:
    wings = range(20_000, 23_000, 500)
    core = range(24_000, 25_001, 50)
    strikes = decimals(*wings, *range(23_000, 24_000, 100), *core)

    assert chain.strike_step(strikes, near=Decimal(24_620)) == 50
    assert chain.strike_step(strikes, near=Decimal(21_000)) == 500


def test_a_single_strike_has_a_strike_step_of_one_rupee_and_is_the_whole_window() -> None:
    found = window(decimals(2_640), ltp=Decimal("2599.5"), width=25)

    assert found == chain.Window(Decimal("2599.5"), NOW, Decimal(1), *decimals(2_640, 2_640, 2_640))


def test_a_window_has_as_many_strikes_below_the_money_as_above() -> None:
    found = window(NIFTY, ltp=Decimal("25012.35"), width=5)

    assert found == chain.Window(Decimal("25012.35"), NOW, Decimal(50), *decimals(25_000, 24_900, 25_100))


def test_an_even_width_has_one_more_strike_above() -> None:
    found = window(NIFTY, ltp=Decimal(25_000), width=4)

    assert inside(NIFTY, found) == decimals(24_950, 25_000, 25_050, 25_100)


def test_a_window_ends_with_the_listing_and_is_not_extended_on_the_other_side() -> None:
    found = window(NIFTY, ltp=Decimal(25_940), width=9)

    assert found.atm == 25_950
    assert inside(NIFTY, found) == decimals(25_750, 25_800, 25_850, 25_900, 25_950, 26_000)


def test_a_window_is_counted_in_listed_strikes_not_in_steps() -> None:
    strikes = decimals(24_000, 24_500, 24_900, 24_950, 25_000, 25_050, 25_100, 25_500, 26_000)

    found = window(strikes, ltp=Decimal(25_000), width=7)

    assert inside(strikes, found) == decimals(24_500, 24_900, 24_950, 25_000, 25_050, 25_100, 25_500)


def test_a_window_of_no_strikes_is_refused() -> None:
    with pytest.raises(ValueError, match="no window"):
        window((), ltp=Decimal(100), width=25)
    with pytest.raises(ValueError, match="no window"):
        window(NIFTY, ltp=Decimal(100), width=0)


listings = st.sets(st.integers(1, 4_000), min_size=1, max_size=60).map(
    lambda numbers: tuple(Decimal(number) * Decimal("2.5") for number in sorted(numbers))
)


@given(listings, st.decimals("0.05", "12000", places=2), st.integers(1, 121))
def test_a_window_is_at_most_its_width_around_the_listed_strike_nearest_to_the_price(
    strikes: Sequence[Decimal], ltp: Decimal, width: int
) -> None:
    found = window(strikes, ltp=ltp, width=width)

    assert found.atm in inside(strikes, found)
    assert {found.lowest_strike, found.highest_strike} <= set(strikes)
    assert len(inside(strikes, found)) <= width
    nearest = min(abs(one - ltp) for one in strikes)
    assert found.atm == max(one for one in strikes if abs(one - ltp) == nearest)


@given(listings, st.decimals("0.05", "12000", places=2), st.integers(1, 121))
def test_a_window_is_short_only_where_the_listing_ends(strikes: Sequence[Decimal], ltp: Decimal, width: int) -> None:
    found = window(strikes, ltp=ltp, width=width)
    position = inside(strikes, found).index(found.atm)

    assert position == (width - 1) // 2 or found.lowest_strike == strikes[0]
    above = len(inside(strikes, found)) - 1 - position
    assert above == width // 2 or found.highest_strike == strikes[-1]


@given(listings, st.decimals("0.05", "12000", places=2))
def test_the_strike_step_is_the_gap_from_atm_to_its_nearest_neighbor(strikes: Sequence[Decimal], ltp: Decimal) -> None:
    found = window(strikes, ltp=ltp, width=1)

    others = [abs(one - found.atm) for one in strikes if one != found.atm]
    assert found.strike_step == min(others, default=Decimal(1))


@given(listings, st.data())
def test_a_price_that_moves_from_one_listed_strike_to_another_moves_the_window(
    strikes: Sequence[Decimal], data: st.DataObject
) -> None:
    start, end = data.draw(st.sampled_from(strikes)), data.draw(st.sampled_from(strikes))

    assert chain.has_moved(window(strikes, ltp=start, width=3), ltp=end) is (start != end)


def test_a_window_that_was_never_calculated_must_be_recentred() -> None:
    assert chain.is_recalculation_due(None, ltp=Decimal(25_000), now=NOW)


@pytest.mark.parametrize(
    ("ltp", "expected"), [("25049.95", False), ("25050", True), ("24950.05", False), ("24950", True), ("25000", False)]
)
def test_a_window_must_be_recentred_after_a_move_of_one_strike_step(ltp: str, expected: bool) -> None:
    assert chain.is_recalculation_due(make_window(), ltp=Decimal(ltp), now=NOW) is expected


def test_a_window_must_be_recentred_after_five_minutes() -> None:
    at_five = make_window(age=timedelta(minutes=5))
    later = make_window(age=timedelta(minutes=5, milliseconds=1))

    assert not chain.is_recalculation_due(at_five, ltp=Decimal(25_000), now=NOW)
    assert chain.is_recalculation_due(later, ltp=Decimal(25_000), now=NOW)


@given(
    start=st.decimals(24_100, 25_900, places=2),
    swings=st.lists(st.decimals("0", "49.99", places=2), min_size=2, max_size=30),
)
def test_a_price_that_swings_by_less_than_a_step_moves_a_window_once_at_most(
    start: Decimal, swings: list[Decimal]
) -> None:
    lowest = start + 20  # at any distance from the last calculation
    stored = make_window(ltp=start)

    moves = 0
    for swing in swings:
        if chain.has_moved(stored, ltp=lowest + swing):
            stored = make_window(ltp=lowest + swing)
            moves += 1

    assert moves <= 1
