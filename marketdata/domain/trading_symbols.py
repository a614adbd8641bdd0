"""Contracts in one word, as exchanges and platforms write them: NIFTY26FEB26000CE, NIFTY2621726000CE, NIFTY1!.

One text can mean several contracts: 26FEB26000 is February 2026 with strike 26000 (Zerodha), or 26 February with
strike 26000. So a text has meanings, most usual first, and the caller takes the first one that is listed. Every meaning
names its date exactly. Sources: the instrument lists and symbol formats of the platforms, read November 2026.
"""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Final

from marketdata.domain.expiries import MONTHS
from marketdata.domain.instruments import OptionType
from marketdata.domain.search import SearchQuery

# Chosen: contracts run at most five years (dhan-v2.md, 7.1), so other numbers are parts of a strike or a day.
PLAUSIBLE_YEARS: Final = range(2020, 2050)
# Months of exchanges for futures, January to December.
MONTH_CODES: Final = "FGHJKMNQUVXZ"
# Zerodha's weeklies: 1 to 9, then October, November, December.
WEEKLY_MONTHS: Final = "123456789OND"

_MONTH: Final = "|".join(MONTHS)
_NUMBER: Final = r"\d{1,8}(?:\.\d{1,4})?"
# NIFTY17FEB26000CE, NIFTY26FEB26000CE, NIFTY24FEB26FUT, NIFTY-FEB2026-26000-CE, CRUDEOIL-19FEB2026-FUT, NIFTYFEBFUT.
_NAMED_MONTH: Final = re.compile(
    rf"(?P<name>.+?)-?(?P<day>\d{{1,2}})?-?(?P<month>{_MONTH})-?(?P<rest>[\d.-]*?)-?(?P<kind>CE|PE|FUT)?", re.ASCII
)
# The digits after the name in NIFTY2621726000CE (year, month, day) and NIFTY26021726000CE.
_WEEKLY: Final = re.compile(rf"(\d\d)([{WEEKLY_MONTHS}])(\d\d)({_NUMBER})", re.ASCII)
_SIX_DIGITS: Final = re.compile(rf"(\d\d)(\d\d)(\d\d)({_NUMBER})", re.ASCII)
_NUMBERED: Final = re.compile(r"(?P<name>.*?[A-Z])(?P<digits>\d[\dOND.]+)(?P<kind>CE|PE)", re.ASCII)
# TradingView: NIFTY260217C26000, NIFTYG2026, NIFTY1!; NIFTY-I in the files of data vendors.
_OPTION_LAST: Final = re.compile(
    rf"(?P<name>.+?)(?:20)?(?P<year>\d\d)(?P<month>\d\d)(?P<day>\d\d)(?P<kind>[CP])E?(?P<strike>{_NUMBER})", re.ASCII
)
_MONTH_CODE: Final = re.compile(rf"(?P<name>.+?)(?P<month>[{MONTH_CODES}])(?P<year>20\d\d)", re.ASCII)
_CONTINUOUS: Final = re.compile(r"(?P<name>.+?)(?:(?P<place>[1-9])!|-(?P<roman>I{1,3}))", re.ASCII)


def list_meanings(text: str) -> tuple[SearchQuery, ...]:
    """Return the contracts that the trading symbol `text` may mean, most usual first; empty if it is none.

    >>> [(one.day, one.month, one.year, one.is_monthly) for one in list_meanings("NIFTY26FEB26000CE")]
    [(None, 2, 2026, True), (26, 2, None, False)]
    """
    symbol = "".join(text.upper().split())
    forms = (_continuous, _month_codes, _numbered, _option_last, _named)
    # A name without a letter is a part of a date or of a number.
    return tuple(one for form in forms for one in form(symbol) if re.search("[A-Z]", one.words[0]))


def _named(symbol: str) -> Iterator[SearchQuery]:
    found = _NAMED_MONTH.fullmatch(symbol)
    if found is None:
        return
    name, digits, rest, kind = found["name"], found["day"] or "", found["rest"], found["kind"]
    # Digits that are no day and no year end the name: NIFTYNXT50-FEB2026-FUT.
    if digits and int(digits) > 31 and not _year(digits):
        name, digits = name + digits, ""
    # Without a date before the month and without a kind behind, it is a word that contains a month: DECCAN.
    if not digits and not kind:
        return
    month = MONTHS.index(found["month"]) + 1
    yield from _with_year_after(name, digits, month, rest, kind)
    # 26FEB is also February 2026, the monthly contract (Zerodha), and 26 February of the nearest year.
    if len(digits) == 2 and (year := _year(digits)):
        yield from _meaning(name, None, month, year, rest, kind, is_monthly=True)
    yield from _meaning(name, digits, month, None, rest, kind)


def _with_year_after(name: str, digits: str, month: int, rest: str, kind: str | None) -> Iterator[SearchQuery]:
    """Yield 17FEB2026 and 17FEB26, FEB2026 and FEB26."""
    for size in (4, 2):
        if year := _year(rest[:size]):
            yield from _meaning(name, digits, month, year, rest[size:].removeprefix("-"), kind)


def _meaning(
    name: str, day: str | None, month: int, year: int | None, strike: str, kind: str | None, *, is_monthly: bool = False
) -> Iterator[SearchQuery]:
    """Yield the meaning if its parts are valid: a real date, a strike exactly if it is an option."""
    has_strike = _is_strike(strike)
    if (strike and not has_strike) or (kind == "FUT" and strike) or (kind in {"CE", "PE"} and not has_strike):
        return
    if day and not _is_date(int(day), month, year):
        return
    yield SearchQuery(
        words=(name,),
        strike=Decimal(strike) if has_strike else None,
        option_type=OptionType(kind) if kind in {"CE", "PE"} else None,
        is_future=kind == "FUT",
        day=int(day) if day else None,
        month=month,
        year=year,
        is_monthly=is_monthly,
        is_exact=True,
    )


def _numbered(symbol: str) -> Iterator[SearchQuery]:
    found = _NUMBERED.fullmatch(symbol)
    if found is None:
        return
    # The name can end in digits: NIFTYNXT50, SENSEX50.
    for size in (0, 2):
        name, digits = found["name"] + found["digits"][:size], found["digits"][size:]
        if weekly := _WEEKLY.fullmatch(digits):
            month = WEEKLY_MONTHS.index(weekly[2]) + 1
            yield from _dated(name, weekly[1], month, weekly[3], weekly[4], found["kind"])
        if six := _SIX_DIGITS.fullmatch(digits):
            yield from _dated(name, six[1], int(six[2]), six[3], six[4], found["kind"])


def _dated(name: str, year: str, month: int, day: str, strike: str, kind: str) -> Iterator[SearchQuery]:
    if whole := _year(year):
        yield from _meaning(name, day, month, whole, strike, kind)


def _option_last(symbol: str) -> Iterator[SearchQuery]:
    if found := _OPTION_LAST.fullmatch(symbol):
        yield from _dated(
            found["name"], found["year"], int(found["month"]), found["day"], found["strike"], found["kind"] + "E"
        )


def _month_codes(symbol: str) -> Iterator[SearchQuery]:
    found = _MONTH_CODE.fullmatch(symbol)
    if found and (year := _year(found["year"])):
        month = MONTH_CODES.index(found["month"]) + 1
        yield from _meaning(found["name"], None, month, year, "", "FUT")


def _continuous(symbol: str) -> Iterator[SearchQuery]:
    if found := _CONTINUOUS.fullmatch(symbol):
        place = int(found["place"]) if found["place"] else len(found["roman"])
        yield SearchQuery(words=(found["name"],), is_future=True, place=place, is_exact=True)


def _year(digits: str) -> int | None:
    """Return the year of two or four digits; None if no contract can have it."""
    if not digits.isdecimal() or len(digits) not in {2, 4}:
        return None
    year = int(digits) + (2000 if len(digits) == 2 else 0)
    return year if year in PLAUSIBLE_YEARS else None


def _is_strike(digits: str) -> bool:
    # 000 is the rest of a strike that was cut at the wrong place; 0.5 is one.
    return re.fullmatch(_NUMBER, digits, re.ASCII) is not None and not re.match(r"0\d|0$", digits)


def _is_date(day: int, month: int, year: int | None) -> bool:
    try:
        date(year or 2024, month, day)  # Without a year any leap year: 29 February may be meant.
    except ValueError:
        return False
    return True
