"""The time to an expiry, counted in seconds of trading: a night or a weekend takes nothing from an option.

A year of a segment is TRADING_DAYS of its ordinary session on the day in question, so that one full session is always
1/TRADING_DAYS of a year, although sessions have become longer.
"""

from datetime import date, datetime, timedelta
from typing import Final

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import IST, Session, SessionBook, ordinary_session

TRADING_DAYS: Final = 252
"""The usual count of a year; the exchange's calendar has 246 to 250."""
FLOOR_SECONDS: Final = 60.0
"""The shortest time that is used: at the close itself the analytics have no value."""


class TradingTime:
    """Time to expiries by one calendar. Remembers whole days: an expiry can be five years ahead."""

    def __init__(self, book: SessionBook) -> None:
        self.book = book
        self._days: dict[tuple[ExchangeSegment, date, date], float] = {}

    def years_to_expiry(self, segment: ExchangeSegment, expiry: date, *, now: datetime) -> float:
        """Return the years of trading from `now` to the close of the last session up to `expiry`, at least a minute.

        `segment` is that of the options; `now` may be in any zone.
        """
        here = now.astimezone(IST)
        today, left = here.date(), 0.0
        if expiry >= today:
            left = sum(_seconds_after(one, here) for one in self.book.list_sessions(segment, today))
            left += self._seconds_of_days(segment, today, expiry)
        return max(left, FLOOR_SECONDS) / seconds_per_year(segment, today)

    def _seconds_of_days(self, segment: ExchangeSegment, after: date, until: date) -> float:
        key = (segment, after, until)
        if key not in self._days:
            days = (after + timedelta(days=offset) for offset in range(1, (until - after).days + 1))
            self._days[key] = sum(_seconds(one) for day in days for one in self.book.list_sessions(segment, day))
        return self._days[key]


def seconds_per_year(segment: ExchangeSegment, day: date) -> float:
    """Return the seconds of TRADING_DAYS ordinary sessions of `segment`, as they were on `day`."""
    # Saturday and Sunday have no ordinary session: take the Monday after.
    weekday = day + timedelta(days=(7 - day.weekday()) % 7 if day.weekday() > _FRIDAY else 0)
    session = ordinary_session(segment, weekday)
    assert session is not None  # noqa: S101  `weekday` is one.
    return TRADING_DAYS * _seconds(session)


_FRIDAY: Final = 4  # of `date.weekday`


def _seconds(session: Session) -> float:
    if session.opens is None or session.closes is None:
        return 0.0
    on = session.day
    return (datetime.combine(on, session.closes) - datetime.combine(on, session.opens)).total_seconds()


def _seconds_after(session: Session, now: datetime) -> float:
    """Return the seconds of a session of the day of `now` that are left."""
    if session.opens is None or session.closes is None:
        return 0.0
    opens = datetime.combine(session.day, session.opens, tzinfo=IST)
    closes = datetime.combine(session.day, session.closes, tzinfo=IST)
    return max((closes - max(opens, now)).total_seconds(), 0.0)
