"""Trading sessions of each segment: regular days, holidays, special sessions and Muhurat trading. All times are IST.

A `Session` is one row of the calendar; a day can have several (morning and evening). Observed trades override the
calendar (`SegmentActivity` in `marketdata.domain.quote_state`). The ordinary hours are those of the exchanges'
circulars, read November 2026.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from marketdata.domain.instruments import ExchangeSegment

IST: Final = ZoneInfo("Asia/Kolkata")

# Circulars of the exchanges: from this day on, equity derivatives trade to 15:40 instead of 15:30, and shares with
# derivatives stop continuous trading at 15:15 for a closing auction.
CHANGED_ON: Final = date(2026, 8, 3)
EQUITY_OPENS: Final = time(9, 15)
EQUITY_CLOSES: Final = time(15, 30)
AUCTION_FROM: Final = time(15, 15)
DERIVATIVES_CLOSE: Final = time(15, 40)
CURRENCY_OPENS: Final = time(9, 0)
CURRENCY_CLOSES: Final = time(17, 0)
MCX_OPENS: Final = time(9, 0)
# MCX follows the American commodity markets: it closes earlier while New York has daylight saving time.
MCX_SUMMER_CLOSES: Final = time(23, 30)
MCX_WINTER_CLOSES: Final = time(23, 55)

# Chosen: the search for the last close goes back this far; no Indian market was ever closed for two weeks.
LOOK_BACK_DAYS: Final = 14
_SATURDAY: Final = 5  # of `date.weekday`


class SessionKind(StrEnum):
    """Kind of a calendar row."""

    REGULAR = "regular"
    SPECIAL = "special"  # other hours, or a day that is not usually one of trading
    MUHURAT = "muhurat"
    HOLIDAY = "holiday"


@dataclass(frozen=True, slots=True)
class Session:
    """One session of one segment, or a holiday without hours; it opens and closes on `day`, in IST.

    From `frozen_from` to the close, shares with derivatives and the indices do not trade.
    """

    segment: ExchangeSegment
    day: date
    kind: SessionKind
    opens: time | None = None
    closes: time | None = None
    frozen_from: time | None = None

    def covers(self, at: time) -> bool:
        """Whether trading is open at a time of `day`; the closing time is outside."""
        # Half open: at the closing second no trade is expected any more.
        return self.opens is not None and self.closes is not None and self.opens <= at < self.closes

    def is_frozen(self, at: time) -> bool:
        """Whether spots do not trade at a time of `day` although the session is open."""
        # From 15:15 the auction collects orders, at about 15:30 it prints one price. Index values stand still as well,
        # because their shares do; INDIA VIX moves on, since it is computed from options.
        return self.frozen_from is not None and self.covers(at) and at >= self.frozen_from


Book = Mapping[tuple[ExchangeSegment, date], Sequence[Session]]


def ordinary_session(segment: ExchangeSegment, day: date) -> Session | None:
    """Return the session of an ordinary weekday; None on Saturday and Sunday. Holidays are not considered."""
    if day.weekday() >= _SATURDAY:
        return None
    since_change = day >= CHANGED_ON
    match segment:
        case ExchangeSegment.NSE_FNO | ExchangeSegment.BSE_FNO:
            # Derivatives have no auction: they trade through it, so `frozen_from` is not set.
            hours = (EQUITY_OPENS, DERIVATIVES_CLOSE if since_change else EQUITY_CLOSES)
        case ExchangeSegment.MCX_COMM:
            hours = (MCX_OPENS, MCX_SUMMER_CLOSES if _is_summer_in_new_york(day) else MCX_WINTER_CLOSES)
        case ExchangeSegment.NSE_CURRENCY | ExchangeSegment.BSE_CURRENCY:
            hours = (CURRENCY_OPENS, CURRENCY_CLOSES)
        case _:
            # Cash segments and indices: the closing auction stops continuous trading before the close.
            frozen_from = AUCTION_FROM if since_change else None
            return Session(segment, day, SessionKind.REGULAR, EQUITY_OPENS, EQUITY_CLOSES, frozen_from)
    return Session(segment, day, SessionKind.REGULAR, *hours)


class SessionBook:
    """The calendar as an immutable value. Datetimes may be in any zone; they are converted to IST."""

    __slots__ = ("_sessions",)

    def __init__(self, sessions: Iterable[Session] = ()) -> None:
        book: dict[tuple[ExchangeSegment, date], list[Session]] = {}
        for session in sessions:
            book.setdefault((session.segment, session.day), []).append(session)
        self._sessions: Book = book

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SessionBook) and self._sessions == other._sessions

    __hash__ = None  # type: ignore[assignment]  # It contains a mapping, and no caller needs it as a key.

    def has_rows(self, segment: ExchangeSegment, day: date) -> bool:
        """Whether the calendar has a row for a day."""
        return (segment, day) in self._sessions

    def list_sessions(self, segment: ExchangeSegment, day: date) -> Sequence[Session]:
        """Return the sessions of a day with known hours: from its rows, or the ordinary session where it has none."""
        rows = self._sessions.get((segment, day))
        # No rows: an ordinary weekday. A calendar that is not loaded yet must not close the market.
        if rows is None:
            ordinary = ordinary_session(segment, day)
            return [] if ordinary is None else [ordinary]
        # A holiday is a row without hours; so is a session whose hours are not announced yet (Muhurat trading).
        return [one for one in rows if one.opens is not None]

    def is_open(self, segment: ExchangeSegment, at: datetime) -> bool:
        """Whether `segment` is open at `at` by the calendar."""
        here = at.astimezone(IST)
        return any(one.covers(here.time()) for one in self.list_sessions(segment, here.date()))

    def is_streaming_expected(self, segment: ExchangeSegment, at: datetime) -> bool:
        """Whether packets are expected: in a session, except between `frozen_from` and the close."""
        here = at.astimezone(IST)
        return any(
            one.covers(here.time()) and not one.is_frozen(here.time())
            for one in self.list_sessions(segment, here.date())
        )

    def end_of(self, segment: ExchangeSegment, day: date) -> time | None:
        """Return the end of the last session of a day; None without a session of known hours."""
        return max((one.closes for one in self.list_sessions(segment, day) if one.closes is not None), default=None)

    def last_close(self, segment: ExchangeSegment, at: datetime) -> datetime | None:
        """Return the end of the last session that ended by `at`; None without one in LOOK_BACK_DAYS."""
        here = at.astimezone(IST)
        for day in _days_back(here.date()):
            ends = (
                datetime.combine(day, one.closes, tzinfo=IST)
                for one in self.list_sessions(segment, day)
                if one.closes is not None
            )
            # The sessions of today count only if they have ended; on earlier days all have.
            past = [end for end in ends if end <= here]
            if past:
                return max(past)
        return None

    def session_day(self, segment: ExchangeSegment, at: datetime) -> date | None:
        """Return the last day of which a session has opened by `at`; None without one in LOOK_BACK_DAYS."""
        here = at.astimezone(IST)
        for day in _days_back(here.date()):
            opened = (one.opens for one in self.list_sessions(segment, day) if one.opens is not None)
            if any(day < here.date() or opens <= here.time() for opens in opened):
                return day
        return None

    def session_day_before(self, segment: ExchangeSegment, day: date) -> date | None:
        """Return the last day before `day` with a session; None without one in LOOK_BACK_DAYS."""
        return next((one for one in _days_back(day) if one < day and self.list_sessions(segment, one)), None)

    def current_from(self, segment: ExchangeSegment, at: datetime) -> date:
        """Return the first day whose last session has not ended by `at`: contracts that expire before it are over.

        A session without known hours lasts the whole day. Without a session in LOOK_BACK_DAYS, the day of `at`.
        """
        here = at.astimezone(IST)
        for offset in range(LOOK_BACK_DAYS + 1):
            day = here.date() + timedelta(days=offset)
            # A day without a session is passed over: what expires on a holiday trades last in the session before it.
            if any(offset or one.closes is None or here.time() < one.closes for one in self._trading(segment, day)):
                return day
        return here.date()

    def _trading(self, segment: ExchangeSegment, day: date) -> Sequence[Session]:
        """Return the sessions of a day, also those without known hours."""
        rows = self._sessions.get((segment, day))
        if rows is None:
            return self.list_sessions(segment, day)
        return [one for one in rows if one.kind is not SessionKind.HOLIDAY]

    def closed_since(self, segment: ExchangeSegment, at: datetime) -> datetime | None:
        """Return the end of the last session while `segment` is closed by the calendar; None while it is open.

        Without a session in LOOK_BACK_DAYS, the start of that period stands for it.
        """
        if self.is_open(segment, at):
            return None
        first_day = at.astimezone(IST).date() - timedelta(days=LOOK_BACK_DAYS)
        return self.last_close(segment, at) or datetime.combine(first_day, time(), tzinfo=IST)

    def closes_at(self, segment: ExchangeSegment, at: datetime) -> datetime | None:
        """Return the end of the session that is open at `at`; None while `segment` is closed."""
        here = at.astimezone(IST)
        for one in self.list_sessions(segment, here.date()):
            if one.closes is not None and one.covers(here.time()):
                return datetime.combine(here.date(), one.closes, tzinfo=IST)
        return None

    def next_opening(self, segment: ExchangeSegment, at: datetime) -> datetime | None:
        """Return the begin of the first session that opens after `at`; None without one in LOOK_BACK_DAYS."""
        here = at.astimezone(IST)
        for offset in range(LOOK_BACK_DAYS + 1):
            day = here.date() + timedelta(days=offset)
            openings = (
                datetime.combine(day, one.opens, tzinfo=IST)
                for one in self.list_sessions(segment, day)
                if one.opens is not None
            )
            later = [opening for opening in openings if opening > here]
            if later:
                return min(later)
        return None

    def find_unknown_day(self, segment: ExchangeSegment, *, after: date) -> date | None:
        """Return the next weekday without rows, if it comes before the next trading day; else None."""
        for offset in range(1, LOOK_BACK_DAYS + 1):
            day = after + timedelta(days=offset)
            # A weekday without rows may be a holiday that is not entered yet. The search ends at a day known for
            # trading.
            if not self.has_rows(segment, day):
                if day.weekday() < _SATURDAY:
                    return day
            elif any(one.kind is not SessionKind.HOLIDAY for one in self._sessions[segment, day]):
                return None
        return None


def _days_back(day: date) -> Iterator[date]:
    return (day - timedelta(days=offset) for offset in range(LOOK_BACK_DAYS + 1))


def _is_summer_in_new_york(day: date) -> bool:
    """Whether New York has daylight saving time in the session of `day`."""
    # From the second Sunday of March to the first Sunday of November (US Energy Policy Act of 2005). The clocks change
    # on a Sunday, when MCX is closed, so the date alone decides.
    return _sunday(day.year, 3, 2) <= day < _sunday(day.year, 11, 1)


def _sunday(year: int, month: int, number: int) -> date:
    """Return the Sunday with a number, from 1, of a month."""
    first = date(year, month, 1)
    # `weekday` of a Sunday is 6: the remainder is the number of days to the first Sunday of the month.
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (number - 1))
