"""When a segment's session of a date ends, and which ends of the day are due.

Facts of the exchanges for the ordinary trading day, in IST; holidays and special sessions are not
known here. Scope "all" closes everything at the commissioned 15:30; "closed_segments" closes a segment once its
session is over, never before 15:30.
"""

from collections.abc import Collection, Iterator
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from marketdata.domain.instruments import ExchangeSegment

CUT: Final = time(15, 30)  # IST, as commissioned

EQUITY_END: Final = time(15, 30)
CURRENCY_END: Final = time(17, 0)
DERIVATIVES_END: Final = time(15, 40)
# Equity derivatives trade ten minutes longer than shares from this date on.
LATER_DERIVATIVES_FROM: Final = date(2026, 8, 3)
# MCX follows the clocks of New York: 23:30 while it is summer there, 23:55 otherwise.
MCX_SUMMER_END: Final = time(23, 30)
MCX_WINTER_END: Final = time(23, 55)

Closing = tuple[date, ExchangeSegment | None]


class EndOfDayScope(StrEnum):
    """What the end of the day takes."""

    ALL = "all"
    CLOSED_SEGMENTS = "closed_segments"


def session_end(segment: ExchangeSegment, day: date) -> time:
    """Return when the session of `segment` ends on `day`, in IST."""
    match segment:
        case ExchangeSegment.NSE_FNO | ExchangeSegment.BSE_FNO:
            return DERIVATIVES_END if day >= LATER_DERIVATIVES_FROM else EQUITY_END
        case ExchangeSegment.MCX_COMM:
            return MCX_SUMMER_END if _is_summer_in_new_york(day) else MCX_WINTER_END
        case ExchangeSegment.NSE_CURRENCY | ExchangeSegment.BSE_CURRENCY:
            return CURRENCY_END
        case _:
            return EQUITY_END


def cut_of(segment: ExchangeSegment | None, day: date) -> time:
    """Return the time before which a claim must have been made to go with that end of `day`; None is everything."""
    return CUT if segment is None else max(CUT, session_end(segment, day))


def list_cut_short(at: time, *, day: date) -> list[str]:
    """Return the segments that still trade at that time of `day`, in words with their end."""
    ends = {segment: session_end(segment, day) for segment in sorted(ExchangeSegment)}
    return [f"{segment.name} trades until {end:%H:%M}" for segment, end in ends.items() if end > at]


def list_closings(scope: EndOfDayScope, *, now: datetime) -> list[Closing]:
    """Return the last end of the day that is past of each thing that closes by itself; `now` is in IST."""
    things = [None] if scope is EndOfDayScope.ALL else sorted(ExchangeSegment)
    return [(_last_closed(segment, now), segment) for segment in things]


def list_due(scope: EndOfDayScope, *, now: datetime, closed: Collection[Closing]) -> Iterator[Closing]:
    """Return the ends of the day that are past and not among those `closed`; a date closed as a whole has no parts."""
    for day, segment in list_closings(scope, now=now):
        if (day, segment) not in closed and (day, None) not in closed:
            yield day, segment


def _last_closed(segment: ExchangeSegment | None, now: datetime) -> date:
    today = now.date()
    return today if now.time() >= cut_of(segment, today) else today - timedelta(days=1)


def _is_summer_in_new_york(day: date) -> bool:
    """Whether the session of `day` falls in daylight saving there: second Sunday of March to first of November."""
    return _sunday(day.year, 3, 2) <= day < _sunday(day.year, 11, 1)


def _sunday(year: int, month: int, number: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (number - 1))
