"""Reads of the market calendar, the rows of `market_sessions`.

Every function reads the database when it is called; nothing is cached behind the caller's back. Code on an event loop,
which must not wait for the database, asks a `MarketCalendar`: its process makes one and refreshes it in a thread.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from django.db import connection

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import IST, LOOK_BACK_DAYS, Session, SessionBook, SessionKind
from marketdata.domain.tick_rules import EndedDays, day_number
from marketdata.models import MarketSession

LONGEST_CLOSURE_DAYS: Final = 5
"""Chosen: longer than a weekend with holidays on both sides. A contract that expires later cannot be over."""
WARN_AHEAD_DAYS: Final = 45
"""Chosen: operators hear of a year without rows this long before it begins; circulars appear in December."""

# In SQL because each search runs it: to build and compile the query set costs seven times the statement.
_SESSIONS_SQL: Final = """
SELECT exchange_segment, day, kind, opens, closes, frozen_from FROM market_sessions
WHERE day BETWEEN %s AND %s AND exchange_segment = ANY(%s::smallint[])
"""


def read_calendar(*, about: date, segments: Collection[ExchangeSegment] = tuple(ExchangeSegment)) -> SessionBook:
    """Return the sessions of `segments` around a date; answers questions on days within LOOK_BACK_DAYS of it.

    One statement of at most 57 days a segment, so that no reading grows with the calendar. Raises DatabaseError.
    """
    # Twice: a question on the first day that it answers looks back LOOK_BACK_DAYS further for the last close.
    span = timedelta(days=2 * LOOK_BACK_DAYS)
    return _read(segments, about - span, about + span)


def _read(segments: Collection[ExchangeSegment], first: date, last: date) -> SessionBook:
    with connection.cursor() as cursor:
        cursor.execute(_SESSIONS_SQL, [first, last, [int(segment) for segment in segments]])
        rows = cursor.fetchall()
    return SessionBook(
        Session(ExchangeSegment(segment), day, SessionKind(kind), *times) for segment, day, kind, *times in rows
    )


def list_current_from(
    *, at: datetime, segments: Collection[ExchangeSegment] = tuple(ExchangeSegment)
) -> Mapping[ExchangeSegment, date]:
    """Return by segment the first day whose last session has not ended by `at`: earlier expiries are over."""
    if not segments:
        return {}
    today = at.astimezone(IST).date()
    # A search asks with each key that is typed, so the days of a usual closure are read first, a third of the rows.
    near = _read(segments, today, today + timedelta(days=LONGEST_CLOSURE_DAYS))
    found = {segment: near.current_from(segment, at) for segment in segments}
    if max(found.values()) <= today + timedelta(days=LONGEST_CLOSURE_DAYS):
        return found
    book = _read(segments, today, today + timedelta(days=LOOK_BACK_DAYS))
    return {segment: book.current_from(segment, at) for segment in segments}


class MarketCalendar:
    """The calendar as its process read it last; make one where the process starts and pass it down.

    Before the first `refresh` it answers with the ordinary hours. `refresh` blocks and runs in a thread; questions
    never block. A refresh replaces one immutable value, so readers in other threads need no lock.
    """

    def __init__(self) -> None:
        self._book = SessionBook()
        self._ended: tuple[int, EndedDays] = (0, {})

    def refresh(self, *, now: datetime) -> SessionBook:
        """Read the calendar around `now` and return it. After a DatabaseError the former reading stays."""
        self._book = read_calendar(about=now.astimezone(IST).date())
        return self._book

    def list_ended(self, at: datetime) -> EndedDays:
        """Return the day of the last session of each segment without a session at `at`."""
        # Asked with every flush of every connection: one answer serves a second.
        second = int(at.timestamp())
        if self._ended[0] != second:
            book = self._book
            days = {one: book.session_day(one, at) for one in ExchangeSegment if not book.is_open(one, at)}
            self._ended = second, {int(one): day_number(day) for one, day in days.items() if day is not None}
        return self._ended[1]

    def is_streaming_expected(self, segment: ExchangeSegment, at: datetime) -> bool:
        """Return whether packets of `segment` are expected: in session, and not while spots await the auction."""
        return self._book.is_streaming_expected(segment, at)


def next_trading_day_missing(*, today: date) -> str | None:
    """Return a sentence if the calendar does not say what the next trading day is; None if it does."""
    book = read_calendar(about=today)
    unknown: dict[date, list[str]] = {}
    for segment in sorted(ExchangeSegment):
        day = book.find_unknown_day(segment, after=today)
        if day is not None:
            unknown.setdefault(day, []).append(segment.name)
    if not unknown:
        return None
    day = min(unknown)
    return f"No market session is known for {day:%a %d %b %Y} ({', '.join(unknown[day])}): load the calendar."


def list_unknown_years(*, today: date) -> Sequence[int]:
    """Return the years, this one or one that begins within WARN_AHEAD_DAYS, without a row in the calendar."""
    years = {today.year, (today + timedelta(days=WARN_AHEAD_DAYS)).year}
    return [year for year in sorted(years) if not MarketSession.objects.filter(day__year=year).exists()]
