"""Which ends of the day are due, from the market's sessions.

Scope "all" closes everything at the commissioned 15:30 of every date; "closed_segments" closes a segment once its
session is over, never before 15:30, and not at all on a day on which it does not trade: what was claimed then goes with
the end of its next session. When sessions end is the calendar's to say (`marketdata.domain.sessions`).
"""

from collections.abc import Collection, Iterator
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import LOOK_BACK_DAYS, SessionBook

CUT: Final = time(15, 30)  # IST, as commissioned
ORDINARY: Final = SessionBook()
"""No rows: every weekday is an ordinary one."""

Closing = tuple[date, ExchangeSegment | None]


class EndOfDayScope(StrEnum):
    """What the end of the day takes."""

    ALL = "all"
    CLOSED_SEGMENTS = "closed_segments"


def session_end(segment: ExchangeSegment, day: date, *, book: SessionBook = ORDINARY) -> time | None:
    """Return when the session of `segment` ends on `day`, in IST; None if it does not trade."""
    return book.end_of(segment, day)


def cut_of(segment: ExchangeSegment | None, day: date, *, book: SessionBook = ORDINARY) -> time:
    """Return the time before which a claim must have been made to go with that end of `day`; None is everything."""
    end = None if segment is None else session_end(segment, day, book=book)
    return CUT if end is None else max(CUT, end)


def list_cut_short(at: time, *, day: date, book: SessionBook = ORDINARY) -> list[str]:
    """Return the segments that still trade at that time of their next session from `day` on, in words with its end."""
    ends = {segment: _next_end(segment, day, book) for segment in sorted(ExchangeSegment)}
    return [f"{segment.name} trades until {end:%H:%M}" for segment, end in ends.items() if end is not None and end > at]


def list_closings(scope: EndOfDayScope, *, now: datetime, book: SessionBook = ORDINARY) -> list[Closing]:
    """Return the last end of the day that is past of each thing that closes by itself; `now` is in IST."""
    things = [None] if scope is EndOfDayScope.ALL else sorted(ExchangeSegment)
    closings = ((_last_closed(segment, now, book), segment) for segment in things)
    return [(day, segment) for day, segment in closings if day is not None]


def list_due(
    scope: EndOfDayScope, *, now: datetime, closed: Collection[Closing], book: SessionBook = ORDINARY
) -> Iterator[Closing]:
    """Return the ends of the day that are past and not among those `closed`; a date closed as a whole has no parts."""
    for day, segment in list_closings(scope, now=now, book=book):
        if (day, segment) not in closed and (day, None) not in closed:
            yield day, segment


def _last_closed(segment: ExchangeSegment | None, now: datetime, book: SessionBook) -> date | None:
    today = now.date()
    if segment is None:
        return today if now.time() >= CUT else today - timedelta(days=1)
    for offset in range(LOOK_BACK_DAYS + 1):
        day = today - timedelta(days=offset)
        is_past = offset > 0 or now.time() >= cut_of(segment, day, book=book)
        if is_past and session_end(segment, day, book=book) is not None:
            return day
    return None


def _next_end(segment: ExchangeSegment, day: date, book: SessionBook) -> time | None:
    days = (day + timedelta(days=offset) for offset in range(LOOK_BACK_DAYS))
    return next((end for one in days if (end := session_end(segment, one, book=book)) is not None), None)
