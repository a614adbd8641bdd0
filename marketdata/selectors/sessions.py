"""When segments trade, off the calendar in the database.

A process reads the rows around a date once in REFRESH_SECONDS, and never on an event loop: there it gets what was read
last (before the first reading the ordinary hours). Whoever runs a loop has `refresh_sessions` called in a thread.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.db import Error as DatabaseError
from django.db import connection

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import IST, LOOK_BACK_DAYS, Session, SessionBook, SessionKind
from marketdata.models import MarketSession

logger = logging.getLogger(__name__)

REFRESH_SECONDS: Final = 30.0
WARN_AHEAD_DAYS: Final = 45
"""A year without rows is said this long before it begins."""


@dataclass(frozen=True, slots=True)
class _Held:
    book: SessionBook
    about: date | None
    read_at: float


class _Shelf:
    """The calendar as this process read it last; one value that is replaced, so threads need no lock."""

    def __init__(self) -> None:
        self.held = _Held(SessionBook(), None, 0.0)

    def is_fresh(self, day: date) -> bool:
        if self.held.about is None or abs(day - self.held.about) > timedelta(days=LOOK_BACK_DAYS):
            return False
        return time.monotonic() - self.held.read_at < REFRESH_SECONDS


_shelf = _Shelf()


def read_session_book(*, about: date) -> SessionBook:
    """Return the calendar around a date, from the database; it answers for any day within LOOK_BACK_DAYS of it."""
    span = timedelta(days=2 * LOOK_BACK_DAYS)
    rows = MarketSession.objects.filter(day__range=(about - span, about + span))
    columns = ("exchange_segment", "day", "kind", "opens", "closes", "frozen_from")
    return SessionBook(
        Session(ExchangeSegment(segment), day, SessionKind(kind), *times)
        for segment, day, kind, *times in rows.values_list(*columns)
    )


def refresh_sessions(*, now: datetime) -> SessionBook:
    """Read the calendar around `now` and keep it for those who must not wait. Raises DatabaseError."""
    about = now.astimezone(IST).date()
    _shelf.held = _Held(read_session_book(about=about), about, time.monotonic())
    return _shelf.held.book


def forget_sessions() -> None:
    """Have the calendar read again when it is next asked for: staff changed it, in this process."""
    _shelf.held = _Held(SessionBook(), None, 0.0)


def current_sessions(*, now: datetime) -> SessionBook:
    """Return the calendar around `now`, at most REFRESH_SECONDS old; on an event loop what was read last."""
    if _is_on_loop() or _shelf.is_fresh(now.astimezone(IST).date()):
        return _shelf.held.book
    if connection.needs_rollback:
        return _shelf.held.book  # A transaction that failed takes no question.
    try:
        return refresh_sessions(now=now)
    except DatabaseError as error:
        logger.warning("the market's sessions cannot be read (%s): using what is known", type(error).__name__)
        return _shelf.held.book


def is_open(*, segment: ExchangeSegment, at: datetime) -> bool:
    """Whether the calendar says that `segment` trades at `at`. Live ticks outrank it; they are not seen here."""
    return current_sessions(now=at).is_open(segment, at)


def is_streaming_expected(*, segment: ExchangeSegment, at: datetime) -> bool:
    """Whether packets of `segment` are due at `at`: in session, and not while spots wait for the closing auction."""
    return current_sessions(now=at).is_streaming_expected(segment, at)


def next_trading_day_missing(*, today: date) -> str | None:
    """Return a sentence if the calendar does not say what the next trading day is; None if it does."""
    book = read_session_book(about=today)
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
    """Return the years that begin within WARN_AHEAD_DAYS, or have begun, of which the calendar has no row."""
    years = {today.year, (today + timedelta(days=WARN_AHEAD_DAYS)).year}
    return [year for year in sorted(years) if not MarketSession.objects.filter(day__year=year).exists()]


def _is_on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
