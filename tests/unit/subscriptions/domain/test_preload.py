"""The expiries that a preload rule takes from the listing."""

from datetime import date

from hypothesis import given
from hypothesis.strategies import dates, integers, lists

from marketdata.domain.instruments import ExchangeSegment
from subscriptions.domain.preload import Rule, expiries_to_hold, futures_to_hold

TODAY = date(2026, 2, 10)

# NIFTY as listed on 10 February 2026 (shared instrument master), reduced to examples of each kind.
NIFTY = [
    date(2026, 2, 10),
    date(2026, 2, 17),
    date(2026, 2, 24),
    date(2026, 3, 2),
    date(2026, 3, 10),
    date(2026, 3, 30),
    date(2026, 4, 28),
    date(2026, 6, 30),
    date(2026, 9, 29),
    date(2026, 12, 29),
    date(2027, 6, 29),
]


def rule(*, weekly: int = 0, monthly: int = 0, quarterly: int = 0, strikes: int = 21, futures: int = 0) -> Rule:
    return Rule(1, ExchangeSegment.NSE_FNO, "NIFTY", weekly, monthly, quarterly, strikes, futures)


def test_weeklies_are_the_nearest_that_are_not_monthly() -> None:
    assert expiries_to_hold(rule(weekly=3), NIFTY, today=TODAY) == (
        date(2026, 2, 10),
        date(2026, 2, 17),
        date(2026, 3, 2),
    )


def test_a_quarterly_counts_as_a_monthly_too() -> None:
    assert expiries_to_hold(rule(monthly=3), NIFTY, today=TODAY) == (
        date(2026, 2, 24),
        date(2026, 3, 30),
        date(2026, 4, 28),
    )


def test_a_rule_takes_the_union_of_the_nearest_of_each_kind() -> None:
    assert expiries_to_hold(rule(weekly=8, monthly=3, quarterly=4), NIFTY, today=TODAY) == tuple(NIFTY[:10])


def test_a_rule_beyond_the_listing_takes_all_listed_expiries() -> None:
    assert expiries_to_hold(rule(monthly=9), NIFTY[:4], today=TODAY) == (date(2026, 2, 24), date(2026, 3, 2))


def test_past_expiries_are_not_taken_and_todays_is() -> None:
    listed = [date(2026, 2, 3), date(2026, 2, 10), date(2026, 2, 24)]

    assert expiries_to_hold(rule(weekly=5), listed, today=TODAY) == (date(2026, 2, 10),)


def test_a_rule_without_strikes_takes_no_options() -> None:
    assert expiries_to_hold(rule(monthly=2, strikes=0), NIFTY, today=TODAY) == ()


def test_futures_are_the_nearest_that_have_not_expired() -> None:
    listed = [date(2026, 4, 20), date(2026, 1, 19), date(2026, 3, 19), date(2026, 2, 19)]

    assert futures_to_hold(rule(futures=2), listed, today=TODAY) == (date(2026, 2, 19), date(2026, 3, 19))


@given(
    listed=lists(dates(date(2026, 1, 1), date(2028, 12, 31)), max_size=40),
    today=dates(date(2026, 1, 1), date(2028, 12, 31)),
    weekly=integers(0, 9),
    monthly=integers(0, 9),
    quarterly=integers(0, 9),
)
def test_a_rule_takes_only_listed_expiries_and_at_most_its_counts(
    listed: list[date], today: date, weekly: int, monthly: int, quarterly: int
) -> None:
    held = expiries_to_hold(rule(weekly=weekly, monthly=monthly, quarterly=quarterly), listed, today=today)

    assert set(held) <= set(listed)
    assert all(expiry >= today for expiry in held)
    assert len(held) <= weekly + monthly + quarterly
    assert list(held) == sorted(set(held))
