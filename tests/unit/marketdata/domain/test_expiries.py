"""The kind of an expiry from the listed dates, and its two text forms."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.expiries import ExpiryKind, MalformedDate, classify, parse_expiry
from marketdata.domain.instruments import format_expiry

WEEKLY, MONTHLY, QUARTERLY = ExpiryKind.WEEKLY, ExpiryKind.MONTHLY, ExpiryKind.QUARTERLY


def test_the_last_expiry_of_a_month_is_monthly_and_of_a_quarter_quarterly() -> None:
    # NIFTY as listed on 10 Feb 2026; 2 and 30 March are Mondays before holidays.
    listed = [
        date(2026, 2, 10),
        date(2026, 2, 17),
        date(2026, 2, 24),
        date(2026, 3, 2),
        date(2026, 3, 10),
        date(2026, 3, 30),
        date(2026, 4, 28),
        date(2026, 6, 30),
    ]

    assert dict(classify(reversed(listed))) == {
        date(2026, 2, 10): WEEKLY,
        date(2026, 2, 17): WEEKLY,
        date(2026, 2, 24): MONTHLY,
        date(2026, 3, 2): WEEKLY,
        date(2026, 3, 10): WEEKLY,
        date(2026, 3, 30): QUARTERLY,
        date(2026, 4, 28): MONTHLY,
        date(2026, 6, 30): QUARTERLY,
    }


def test_expiries_are_sorted_by_date() -> None:
    assert list(classify([date(2026, 6, 30), date(2026, 2, 24)])) == [date(2026, 2, 24), date(2026, 6, 30)]


def test_the_same_month_of_two_years_counts_as_two_months() -> None:
    assert set(classify([date(2026, 12, 29), date(2027, 12, 28)]).values()) == {QUARTERLY}


@given(st.sets(st.dates(date(2026, 1, 1), date(2031, 12, 31)), max_size=40))
def test_every_month_listed_has_exactly_one_monthly(listed: set[date]) -> None:
    kinds = classify(listed)

    monthlies = [(one.year, one.month) for one, kind in kinds.items() if kind.is_monthly]
    assert sorted(monthlies) == sorted({(one.year, one.month) for one in listed})


@pytest.mark.parametrize("text", ["26FEB2026", "26feb2026", " 2026-02-26 "])
def test_an_expiry_is_parsed_in_both_forms(text: str) -> None:
    assert parse_expiry(text) == date(2026, 2, 26)


@pytest.mark.parametrize(
    "text", ["", "30FEB2026", "2026-13-01", "26-02-2026", "26FEB26", "2026-2-26", "next week", "٢٦FEB2026", "0FEB2026"]
)
def test_any_other_text_is_refused_with_a_message(text: str) -> None:
    with pytest.raises(MalformedDate, match="write it like 26FEB2026 or 2026-02-26") as refusal:
        parse_expiry(text)

    assert refusal.value.code == "malformed_date"


@given(st.dates(date(1000, 1, 1), date(9999, 12, 31)))
def test_a_formatted_expiry_is_parsed_to_itself(expiry: date) -> None:
    assert parse_expiry(format_expiry(expiry)) == expiry
    assert parse_expiry(expiry.isoformat()) == expiry
