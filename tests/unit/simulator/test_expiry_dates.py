"""Expiry days by the exchanges' rules, compared with the listed ones."""

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from simulator import expiry_dates
from simulator.expiry_dates import Weekday

days = st.dates(date(2025, 1, 1), date(2030, 12, 31))


def test_the_monthlies_of_february_2026_are_those_the_exchange_listed() -> None:
    today = date(2026, 2, 10)

    assert expiry_dates.monthly_expiries(today, weekday=Weekday.TUESDAY, count=3) == [
        date(2026, 2, 24),
        date(2026, 3, 30),  # The 31st is Mahavir Jayanti.
        date(2026, 4, 28),
    ]
    assert expiry_dates.monthly_expiries(today, weekday=Weekday.THURSDAY, count=3) == [
        date(2026, 2, 26),
        date(2026, 3, 25),  # The 26th is Ram Navami.
        date(2026, 4, 30),
    ]


def test_the_weeklies_of_february_2026_are_those_the_exchange_listed() -> None:
    assert expiry_dates.weekly_expiries(date(2026, 2, 10), weekday=Weekday.TUESDAY, count=4) == [
        date(2026, 2, 10),
        date(2026, 2, 17),
        date(2026, 3, 2),  # The 3rd is Holi.
        date(2026, 3, 10),
    ]


def test_the_monthly_of_november_2026_is_a_day_early() -> None:
    """Tuesday the 24th is Guru Nanak Jayanti."""
    assert expiry_dates.last_weekday_of_month(2026, 11, Weekday.TUESDAY) == date(2026, 11, 23)


def test_quarterlies_are_monthlies_of_their_months() -> None:
    found = expiry_dates.monthly_expiries(
        date(2026, 2, 10), weekday=Weekday.TUESDAY, count=4, months=expiry_dates.QUARTER_MONTHS
    )

    assert found == [date(2026, 3, 30), date(2026, 6, 30), date(2026, 9, 29), date(2026, 12, 29)]


@given(today=days, weekday=st.sampled_from([Weekday.TUESDAY, Weekday.THURSDAY]), count=st.integers(1, 12))
def test_expiries_are_trading_days_from_today_on_and_ascend(today: date, weekday: Weekday, count: int) -> None:
    weeklies = expiry_dates.weekly_expiries(today, weekday=weekday, count=count)
    monthlies = expiry_dates.monthly_expiries(today, weekday=weekday, count=count)

    for found in (weeklies, monthlies):
        assert len(found) == count
        assert found == sorted(set(found))
        assert all(day >= today and expiry_dates.is_trading_day(day) for day in found)
    assert not set(weeklies) & set(monthlies)


@given(today=days)
def test_every_week_has_an_expiry(today: date) -> None:
    weeklies = expiry_dates.weekly_expiries(today, weekday=Weekday.TUESDAY, count=6)
    monthlies = expiry_dates.monthly_expiries(today, weekday=Weekday.TUESDAY, count=6)
    expiries = sorted({*weeklies, *(day for day in monthlies if day <= weeklies[-1])})

    assert expiries[0] - today <= timedelta(days=7)
    assert all(later - earlier <= timedelta(days=9) for earlier, later in pairwise(expiries))
