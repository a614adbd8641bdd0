"""Expiry dates of derivatives: the weekday rules of the exchanges; an expiry on a holiday moves a trading day back.

Rules of 2026 (exchange circulars): NSE contracts expire on Tuesdays, BSE contracts on Thursdays, a monthly one on the
last such day of the month. Holidays are those of NSE and BSE on weekdays. The calendar of 2027 is not published yet, so
only its fixed dates are here. The trading calendar of the product is separate (`marketdata`).
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta
from enum import IntEnum
from itertools import islice

HOLIDAYS = frozenset(
    date.fromisoformat(text)
    for text in (
        *("2026-01-15", "2026-01-26", "2026-03-03", "2026-03-26", "2026-03-31", "2026-04-03", "2026-04-14"),
        *("2026-05-01", "2026-05-28", "2026-06-26", "2026-09-14", "2026-10-02", "2026-10-20", "2026-11-10"),
        *("2026-11-24", "2026-12-25", "2027-01-26", "2027-03-26", "2027-04-14"),
    )
)
# Contract specifications of NSE: long-dated index options expire in these months.
QUARTER_MONTHS = frozenset((3, 6, 9, 12))
HALF_YEAR_MONTHS = frozenset((6, 12))


class Weekday(IntEnum):
    """Numbered as `date.weekday` does."""

    TUESDAY = 1
    THURSDAY = 3
    FRIDAY = 4


def is_trading_day(day: date) -> bool:
    """Return whether `day` is a weekday and not a holiday."""
    return day.weekday() <= Weekday.FRIDAY and day not in HOLIDAYS


def trading_day_at_or_before(day: date) -> date:
    """Return `day`, or the nearest trading day before it."""
    while not is_trading_day(day):
        day -= timedelta(days=1)
    return day


def months_from(day: date) -> Iterator[tuple[int, int]]:
    """Yield (year, month) without end, from the month of `day`."""
    year, month = day.year, day.month
    while True:
        yield year, month
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def last_day_of_month(year: int, month: int) -> date:
    """Return the last calendar day of the month."""
    return date(year, month, monthrange(year, month)[1])


def last_weekday_of_month(year: int, month: int, weekday: Weekday) -> date:
    """Return the last `weekday` of the month, or the trading day before it if it is a holiday."""
    last = last_day_of_month(year, month)
    return trading_day_at_or_before(last - timedelta(days=(last.weekday() - weekday) % 7))


def monthly_expiries(today: date, *, weekday: Weekday, count: int, months: frozenset[int] | None = None) -> list[date]:
    """Return the next `count` monthly expiries from `today`, inclusive; with `months`, of these months only."""
    named = (one for one in months_from(today) if months is None or one[1] in months)
    expiries = (last_weekday_of_month(year, month, weekday) for year, month in named)
    return list(islice((expiry for expiry in expiries if expiry >= today), count))


def weekly_expiries(today: date, *, weekday: Weekday, count: int) -> list[date]:
    """Return the next `count` expiries from `today`, inclusive, that are not monthly."""
    found: list[date] = []
    # From the week of `today`: its expiry may be moved back by a holiday and still lie ahead.
    day = today - timedelta(days=today.weekday()) + timedelta(days=int(weekday))
    while len(found) < count:
        expiry = trading_day_at_or_before(day)
        if expiry >= today and expiry != last_weekday_of_month(day.year, day.month, weekday):
            found.append(expiry)
        day += timedelta(days=7)
    return found


def trading_days_before(day: date, count: int) -> date:
    """Return the trading day `count` trading days before `day`."""
    for _ in range(count):
        day = trading_day_at_or_before(day - timedelta(days=1))
    return day
