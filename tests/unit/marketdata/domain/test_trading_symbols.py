"""Contracts in one word: every form has its meaning, and meanings are always valid."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.expiries import MONTHS
from marketdata.domain.instruments import OptionType
from marketdata.domain.search import SearchQuery
from marketdata.domain.trading_symbols import MONTH_CODES, WEEKLY_MONTHS, list_meanings

CE, PE = OptionType.CE, OptionType.PE
STRIKES = st.sampled_from(["5", "11.5", "300", "1612.5", "25000", "84000", "102500"])
EXPIRIES = st.dates(date(2025, 1, 1), date(2031, 12, 31))
NAMES = st.sampled_from(["NIFTY", "NIFTYNXT50", "SENSEX50", "BAJAJ-AUTO", "M&M", "360ONE", "MARUTI", "DECCANCE"])


def option(name: str, day: int | None, month: int, year: int | None, strike: str, kind: OptionType) -> SearchQuery:
    return SearchQuery(
        words=(name,), day=day, month=month, year=year, strike=Decimal(strike), option_type=kind, is_exact=True
    )


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("NIFTY17FEB26000CE", option("NIFTY", 17, 2, None, "26000", CE)),
        ("BANKNIFTY24FEB2660000PE", option("BANKNIFTY", 24, 2, 2026, "60000", PE)),
        ("NIFTY17FEB202626000CE", option("NIFTY", 17, 2, 2026, "26000", CE)),
        ("NIFTY2621726000CE", option("NIFTY", 17, 2, 2026, "26000", CE)),
        ("SENSEX502621928000CE", option("SENSEX50", 19, 2, 2026, "28000", CE)),
        ("NIFTY26O1326000PE", option("NIFTY", 13, 10, 2026, "26000", PE)),
        ("NIFTY26021726000CE", option("NIFTY", 17, 2, 2026, "26000", CE)),
        ("NIFTY260217C26000", option("NIFTY", 17, 2, 2026, "26000", CE)),
        ("NIFTY20260217P26000", option("NIFTY", 17, 2, 2026, "26000", PE)),
        ("nifty-feb2026-26000-ce", option("NIFTY", None, 2, 2026, "26000", CE)),
        ("CRUDEOIL-17Feb2026-5800-CE", option("CRUDEOIL", 17, 2, 2026, "5800", CE)),
        ("BAJAJ-AUTO-Feb2026-9000-CE", option("BAJAJ-AUTO", None, 2, 2026, "9000", CE)),
        ("NIFTY17 FEB 26000CE", option("NIFTY", 17, 2, None, "26000", CE)),
    ],
)
def test_an_option_is_read_in_the_form_of_each_platform(text: str, first: SearchQuery) -> None:
    assert list_meanings(text)[0] == first


@pytest.mark.parametrize(
    ("text", "day", "month", "year", "place"),
    [
        ("NIFTY24FEB26FUT", 24, 2, 2026, None),
        ("CRUDEOIL-19Feb2026-FUT", 19, 2, 2026, None),
        ("NIFTY-Feb2026-FUT", None, 2, 2026, None),
        ("NIFTYG2026", None, 2, 2026, None),
        ("NIFTYFEBFUT", None, 2, None, None),
        ("NIFTY1!", None, None, None, 1),
        ("NIFTY-II", None, None, None, 2),
    ],
)
def test_a_future_is_read_in_the_form_of_each_platform(
    text: str, day: int | None, month: int | None, year: int | None, place: int | None
) -> None:
    found = list_meanings(text)[0]

    assert found.is_future
    assert (found.words[0][:5], found.day, found.month, found.year, found.place) == (
        text[:5].upper(),
        day,
        month,
        year,
        place,
    )


def test_two_digits_before_a_month_are_first_a_year_then_a_day() -> None:
    meanings = list_meanings("SENSEX26FEB84000CE")

    assert [(one.day, one.month, one.year, one.is_monthly) for one in meanings] == [
        (None, 2, 2026, True),
        (26, 2, None, False),
    ]


@pytest.mark.parametrize(
    "text", ["", "NIFTY", "DECCAN", "360ONE", "NIFTY00FEB26000CE", "NIFTY26FEB000CE", "NIFTY26FEB26000FUT", "26FEB"]
)
def test_text_that_is_no_contract_has_no_reading(text: str) -> None:
    assert list_meanings(text) == ()


@given(name=NAMES, expiry=EXPIRIES, strike=STRIKES, kind=st.sampled_from([CE, PE]))
def test_a_dated_option_in_any_form_has_its_reading(name: str, expiry: date, strike: str, kind: OptionType) -> None:
    month, year = MONTHS[expiry.month - 1], f"{expiry:%y}"
    wanted = option(name, expiry.day, expiry.month, expiry.year, strike, kind)

    for text in (
        f"{name}{expiry:%d}{month}{year}{strike}{kind}",
        f"{name}{expiry:%d}{month}{expiry.year}{strike}{kind}",
        f"{name}{year}{WEEKLY_MONTHS[expiry.month - 1]}{expiry:%d}{strike}{kind}",
        f"{name}{expiry:%y%m%d}{kind[0]}{strike}",
        f"{name}-{expiry.day}{month}{expiry.year}-{strike}-{kind}",
    ):
        assert wanted in list_meanings(text), text


@given(name=NAMES, expiry=EXPIRIES)
def test_a_future_by_its_month_has_its_reading(name: str, expiry: date) -> None:
    wanted = SearchQuery(words=(name,), month=expiry.month, year=expiry.year, is_future=True, is_exact=True)

    assert wanted in list_meanings(f"{name}{MONTH_CODES[expiry.month - 1]}{expiry.year}")
    assert wanted in list_meanings(f"{name}-{MONTHS[expiry.month - 1]}{expiry.year}-FUT")


@given(st.text(max_size=64) | st.from_regex(r"[A-Z&-]{0,9}\d{0,8}[A-Z]{0,4}\d{0,9}(CE|PE|C|P|FUT|!)?", fullmatch=True))
def test_every_reading_of_any_text_is_a_possible_contract(text: str) -> None:
    for one in list_meanings(text):
        assert [bool(word) for word in one.words] == [True]
        assert one.is_exact
        assert one.strike is None or 0 < one.strike < 100_000_000
        assert not (one.is_future and one.strike)
        assert one.month is None or 1 <= one.month <= 12
        assert one.day is None or (one.month is not None and date(one.year or 2024, one.month, one.day))
