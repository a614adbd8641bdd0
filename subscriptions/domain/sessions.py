"""The ends of the day (closings) that are past, from the market calendar.

The scope "all" closes everything at 15:30 IST of every trading day, as commissioned. The scope "closed_segments" closes
each segment when its session ends, never before 15:30. On a day without a session nothing is closed: claims made after
the last closing stay until the next one. `marketdata.domain.sessions` knows the sessions.
"""

from collections.abc import Collection, Iterator
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import LOOK_BACK_DAYS, SessionBook

CUT: Final = time(15, 30)  # IST; design.md section 4, daily schedule: commissioned, although some sessions end later
ORDINARY: Final = SessionBook()
"""A calendar without rows: every weekday has the ordinary sessions."""

Closing = tuple[date, ExchangeSegment | None]
"""The date that is closed, and the segment (None: all of them)."""


class EndOfDayScope(StrEnum):
    """Values of EOD_SCOPE."""

    ALL = "all"
    CLOSED_SEGMENTS = "closed_segments"


def cut_of(segment: ExchangeSegment | None, day: date, *, book: SessionBook = ORDINARY) -> time:
    """Return the cut (IST) of the closing of `day`: it releases the claims made before that time."""
    end = None if segment is None else book.end_of(segment, day)
    # A session that ends early (a special one in the morning) still closes at 15:30, when traders expect it.
    return CUT if end is None else max(CUT, end)


def list_cut_short(at: time, *, day: date, book: SessionBook = ORDINARY) -> list[str]:
    """Return the segments whose next session, from `day` on, ends later than `at`, each as a sentence with its end."""
    ends = {segment: _next_end(segment, day, book) for segment in sorted(ExchangeSegment)}
    return [f"{segment.name} trades until {end:%H:%M}" for segment, end in ends.items() if end is not None and end > at]


def list_closings(scope: EndOfDayScope, *, now: datetime, book: SessionBook = ORDINARY) -> list[Closing]:
    """Return the latest closing before `now` (IST): one for all, or one per segment."""
    # Only the latest of each: it releases every claim made before its cut, so the earlier ones would find nothing.
    segments = [None] if scope is EndOfDayScope.ALL else sorted(ExchangeSegment)
    closings = ((_last_closed(segment, now, book), segment) for segment in segments)
    return [(day, segment) for day, segment in closings if day is not None]


def list_due(
    scope: EndOfDayScope, *, now: datetime, closed: Collection[Closing], book: SessionBook = ORDINARY
) -> Iterator[Closing]:
    """Yield the closings before `now` that are not in `closed`. A date closed for all segments covers each of them."""
    for day, segment in list_closings(scope, now=now, book=book):
        # The second test matters after staff change the scope in the afternoon.
        if (day, segment) not in closed and (day, None) not in closed:
            yield day, segment


def _last_closed(segment: ExchangeSegment | None, now: datetime, book: SessionBook) -> date | None:
    today = now.date()
    # Today counts only after its cut; days without a session are skipped, back to the last one with a session.
    for offset in range(LOOK_BACK_DAYS + 1):
        day = today - timedelta(days=offset)
        is_past = offset > 0 or now.time() >= cut_of(segment, day, book=book)
        if is_past and _has_session(segment, day, book):
            return day
    return None


def _has_session(segment: ExchangeSegment | None, day: date, book: SessionBook) -> bool:
    """Return whether that day has a session to close: of all segments, one that opened before the cut."""
    if segment is not None:
        return book.end_of(segment, day) is not None
    # Not one that opens later, such as the evening session of MCX on a holiday or Muhurat trading: entries that were
    # prepared for it must not be cleared before it.
    sessions = (one for each in ExchangeSegment for one in book.list_sessions(each, day))
    return any(one.opens is not None and one.opens < CUT for one in sessions)


def _next_end(segment: ExchangeSegment, day: date, book: SessionBook) -> time | None:
    days = (day + timedelta(days=offset) for offset in range(LOOK_BACK_DAYS))
    return next((end for one in days if (end := book.end_of(segment, one)) is not None), None)
