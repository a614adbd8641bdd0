"""Time to an expiry in seconds of trading."""

from datetime import date, datetime, time

import pytest

from marketdata.domain.analytics.trading_time import FLOOR_SECONDS, TRADING_DAYS, TradingTime, seconds_per_year
from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import IST, Session, SessionBook, SessionKind

NSE, MCX = ExchangeSegment.NSE_FNO, ExchangeSegment.MCX_COMM
TUESDAY = date(2026, 12, 1)
SESSION = 6 * 3_600 + 25 * 60.0  # 09:15 to 15:40
NSE_YEAR = TRADING_DAYS * SESSION


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 12, day, hour, minute, tzinfo=IST)


def seconds(now: datetime, expiry: date, *sessions: Session, segment: ExchangeSegment = NSE) -> float:
    years = TradingTime(SessionBook(sessions)).years_to_expiry(segment, expiry, now=now)
    return years * seconds_per_year(segment, now.date())


@pytest.mark.parametrize(
    ("now", "expiry", "expected"),
    [
        (at(1, 9, 15), TUESDAY, SESSION),
        (at(1, 8), TUESDAY, SESSION),
        (at(1, 15, 30), TUESDAY, 600.0),
        (at(1, 9, 15), date(2026, 12, 2), 2 * SESSION),
        (at(1, 20), date(2026, 12, 2), SESSION),
        # Friday evening to Tuesday: a weekend takes nothing.
        (at(4, 20), date(2026, 12, 8), 2 * SESSION),
        (at(5, 12), date(2026, 12, 8), 2 * SESSION),
    ],
)
def test_only_the_time_of_sessions_counts(now: datetime, expiry: date, expected: float) -> None:
    assert seconds(now, expiry) == pytest.approx(expected)


@pytest.mark.parametrize(
    "now",
    [
        at(
            1,
            15,
            39,
        ),
        at(1, 15, 40),
        at(1, 23),
        at(3, 12),
    ],
)
def test_the_floor_is_a_minute(now: datetime) -> None:
    assert seconds(now, TUESDAY) == pytest.approx(FLOOR_SECONDS)


def test_a_full_session_is_one_trading_day_of_the_year() -> None:
    assert TradingTime(SessionBook()).years_to_expiry(NSE, TUESDAY, now=at(1, 9)) == pytest.approx(1 / TRADING_DAYS)
    assert TradingTime(SessionBook()).years_to_expiry(MCX, TUESDAY, now=at(1, 9)) == pytest.approx(1 / TRADING_DAYS)


def test_an_exchange_counts_its_own_hours() -> None:
    # 09:00 to 23:55 in the winter of New York.
    assert seconds(at(1, 20), TUESDAY, segment=MCX) == pytest.approx(3 * 3_600 + 55 * 60)


def test_holidays_and_special_sessions_of_the_calendar_count() -> None:
    holiday = Session(NSE, date(2026, 12, 2), SessionKind.HOLIDAY)
    evening = Session(NSE, date(2026, 12, 3), SessionKind.MUHURAT, time(18), time(19))

    assert seconds(at(1, 20), date(2026, 12, 3), holiday, evening) == pytest.approx(3_600)


def test_a_weekend_day_has_the_year_of_the_next_weekday() -> None:
    assert seconds_per_year(NSE, date(2026, 12, 5)) == NSE_YEAR
    # The Sunday before the day on which sessions became longer.
    assert seconds_per_year(NSE, date(2026, 8, 2)) == NSE_YEAR
    assert seconds_per_year(NSE, date(2026, 7, 31)) == TRADING_DAYS * 6.25 * 3_600
