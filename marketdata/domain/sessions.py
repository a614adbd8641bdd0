"""When each segment trades, from rows: regular days, holidays, special sessions and Muhurat.

Pure, in IST. A `Session` is one row of the calendar: a day may have several (a morning and an evening), a holiday has
one without hours, and so has a session whose hours the exchange has yet to announce. A `SessionBook` answers from
rows; for a day that has none it assumes the ordinary session of a weekday, because a calendar nobody has loaded yet
must not close the market. Nothing here outranks a live tick: who sees trades on a closed day says so (`Pulse` in
`marketdata.domain.quote_state`).

The ordinary hours are those of the exchanges' circulars, read November 2026: equity derivatives trade to 15:40 and the
shares they are written on, with their indices, stop at 15:15 for a closing auction that prints once about 15:30, both
since 3 Aug 2026; MCX follows the clocks of New York.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from marketdata.domain.instruments import ExchangeSegment

IST: Final = ZoneInfo("Asia/Kolkata")

CHANGED_ON: Final = date(2026, 8, 3)
"""The closing auction, and ten minutes more for derivatives, since this day."""

EQUITY_OPENS: Final = time(9, 15)
EQUITY_CLOSES: Final = time(15, 30)
AUCTION_FROM: Final = time(15, 15)
DERIVATIVES_CLOSE: Final = time(15, 40)
CURRENCY_OPENS: Final = time(9, 0)
CURRENCY_CLOSES: Final = time(17, 0)
MCX_OPENS: Final = time(9, 0)
MCX_EVENING: Final = time(17, 0)
MCX_SUMMER_CLOSES: Final = time(23, 30)
MCX_WINTER_CLOSES: Final = time(23, 55)

LOOK_BACK_DAYS: Final = 14
"""How far a book is asked back for the last close; no market has been shut for that long."""

_SATURDAY: Final = 5


class SessionKind(StrEnum):
    """What a row of the calendar says of its day."""

    REGULAR = "regular"
    SPECIAL = "special"  # other hours, or a day that is not usually one of trading
    MUHURAT = "muhurat"
    HOLIDAY = "holiday"


@dataclass(frozen=True, slots=True)
class Session:
    """One session of one segment, or that there is none; times are IST and on the same day.

    From `frozen_from` until it closes, shares with derivatives and the indices built on them stand still.
    """

    segment: ExchangeSegment
    day: date
    kind: SessionKind
    opens: time | None = None
    closes: time | None = None
    frozen_from: time | None = None

    def covers(self, at: time) -> bool:
        """Whether trading goes on at a time of its day."""
        return self.opens is not None and self.closes is not None and self.opens <= at < self.closes

    def is_frozen(self, at: time) -> bool:
        """Whether spots stand still at a time of its day though the session is not over."""
        return self.frozen_from is not None and self.covers(at) and at >= self.frozen_from


Book = Mapping[tuple[ExchangeSegment, date], Sequence[Session]]


def ordinary_session(segment: ExchangeSegment, day: date) -> Session | None:
    """Return the session of an ordinary weekday; None on a Saturday or Sunday. Knows no holidays."""
    if day.weekday() >= _SATURDAY:
        return None
    since_change = day >= CHANGED_ON
    match segment:
        case ExchangeSegment.NSE_FNO | ExchangeSegment.BSE_FNO:
            hours = (EQUITY_OPENS, DERIVATIVES_CLOSE if since_change else EQUITY_CLOSES)
        case ExchangeSegment.MCX_COMM:
            hours = (MCX_OPENS, MCX_SUMMER_CLOSES if _is_summer_in_new_york(day) else MCX_WINTER_CLOSES)
        case ExchangeSegment.NSE_CURRENCY | ExchangeSegment.BSE_CURRENCY:
            hours = (CURRENCY_OPENS, CURRENCY_CLOSES)
        case _:
            frozen_from = AUCTION_FROM if since_change else None
            return Session(segment, day, SessionKind.REGULAR, EQUITY_OPENS, EQUITY_CLOSES, frozen_from)
    return Session(segment, day, SessionKind.REGULAR, *hours)


class SessionBook:
    """The calendar as one value: cheap to ask, never changed. Moments may be in any zone; they are read in IST."""

    __slots__ = ("_sessions",)

    def __init__(self, sessions: Iterable[Session] = ()) -> None:
        book: dict[tuple[ExchangeSegment, date], list[Session]] = {}
        for session in sessions:
            book.setdefault((session.segment, session.day), []).append(session)
        self._sessions: Book = book

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SessionBook) and self._sessions == other._sessions

    __hash__ = None  # type: ignore[assignment]  # It holds a mapping; nobody needs it as a key.

    def has_rows(self, segment: ExchangeSegment, day: date) -> bool:
        """Whether the calendar says anything of a day."""
        return (segment, day) in self._sessions

    def list_sessions(self, segment: ExchangeSegment, day: date) -> Sequence[Session]:
        """Return the sessions with known hours of a day, as rows say or else as on an ordinary one."""
        rows = self._sessions.get((segment, day))
        if rows is None:
            ordinary = ordinary_session(segment, day)
            return [] if ordinary is None else [ordinary]
        return [one for one in rows if one.opens is not None]

    def is_open(self, segment: ExchangeSegment, at: datetime) -> bool:
        """Whether the calendar says that `segment` trades at `at`."""
        here = at.astimezone(IST)
        return any(one.covers(here.time()) for one in self.list_sessions(segment, here.date()))

    def is_streaming_expected(self, segment: ExchangeSegment, at: datetime) -> bool:
        """Whether packets are due: in a session, and not while the spots of derivatives stand still."""
        here = at.astimezone(IST)
        return any(
            one.covers(here.time()) and not one.is_frozen(here.time())
            for one in self.list_sessions(segment, here.date())
        )

    def end_of(self, segment: ExchangeSegment, day: date) -> time | None:
        """Return when the last session of a day ends; None where there is none, or none with known hours."""
        return max((one.closes for one in self.list_sessions(segment, day) if one.closes is not None), default=None)

    def last_close(self, segment: ExchangeSegment, at: datetime) -> datetime | None:
        """Return when the newest session that is over by `at` ended; None if there is none in LOOK_BACK_DAYS."""
        here = at.astimezone(IST)
        for day in _days_back(here.date()):
            ends = (
                datetime.combine(day, one.closes, tzinfo=IST)
                for one in self.list_sessions(segment, day)
                if one.closes is not None
            )
            past = [end for end in ends if end <= here]
            if past:
                return max(past)
        return None

    def closed_since(self, segment: ExchangeSegment, at: datetime) -> datetime | None:
        """Return since when `segment` is closed by the calendar; None while it is open."""
        if self.is_open(segment, at):
            return None
        first_day = at.astimezone(IST).date() - timedelta(days=LOOK_BACK_DAYS)
        return self.last_close(segment, at) or datetime.combine(first_day, time(), tzinfo=IST)

    def find_unknown_day(self, segment: ExchangeSegment, *, after: date) -> date | None:
        """Return the next weekday of which no row says anything, if it comes before the next day of trading."""
        for offset in range(1, LOOK_BACK_DAYS + 1):
            day = after + timedelta(days=offset)
            if not self.has_rows(segment, day):
                if day.weekday() < _SATURDAY:
                    return day
            elif any(one.kind is not SessionKind.HOLIDAY for one in self._sessions[segment, day]):
                return None
        return None


def _days_back(day: date) -> Iterator[date]:
    return (day - timedelta(days=offset) for offset in range(LOOK_BACK_DAYS + 1))


def _is_summer_in_new_york(day: date) -> bool:
    """Whether the session of `day` falls in daylight saving there: second Sunday of March to first of November."""
    return _sunday(day.year, 3, 2) <= day < _sunday(day.year, 11, 1)


def _sunday(year: int, month: int, number: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (number - 1))
