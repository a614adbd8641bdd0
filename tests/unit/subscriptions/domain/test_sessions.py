"""The ends of sessions, and the end-of-day runs that have not happened yet."""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import Session, SessionBook, SessionKind
from subscriptions.domain.sessions import (
    ORDINARY,
    EndOfDayScope,
    cut_of,
    list_closings,
    list_cut_short,
    list_due,
)

IST = ZoneInfo("Asia/Kolkata")
S = ExchangeSegment


def at(day: int, hour: int, minute: int, *, month: int = 2) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=IST)


@pytest.mark.parametrize(
    ("segment", "day", "end"),
    [
        (S.NSE_EQ, date(2026, 11, 20), time(15, 30)),
        (S.IDX_I, date(2026, 11, 20), time(15, 30)),
        (S.NSE_FNO, date(2026, 7, 31), time(15, 30)),
        (S.NSE_FNO, date(2026, 8, 3), time(15, 40)),
        (S.BSE_FNO, date(2026, 8, 3), time(15, 40)),
        (S.NSE_CURRENCY, date(2026, 2, 10), time(17, 0)),
        (S.MCX_COMM, date(2026, 3, 6), time(23, 55)),
        (S.MCX_COMM, date(2026, 3, 9), time(23, 30)),
        (S.MCX_COMM, date(2026, 10, 30), time(23, 30)),
        (S.MCX_COMM, date(2026, 11, 2), time(23, 55)),
    ],
)
def test_sessions_end_at_the_times_of_the_exchanges(segment: ExchangeSegment, day: date, end: time) -> None:
    assert ORDINARY.end_of(segment, day) == end


def test_the_end_of_day_of_all_segments_is_at_half_past_three() -> None:
    assert cut_of(None, date(2026, 11, 20)) == time(15, 30)
    assert cut_of(S.NSE_FNO, date(2026, 11, 20)) == time(15, 40)


@pytest.mark.parametrize(
    ("now", "closes"),
    [
        (at(10, 15, 29), date(2026, 2, 9)),
        (at(10, 15, 30), date(2026, 2, 10)),
        (at(11, 0, 0), date(2026, 2, 10)),
        (at(11, 14, 30), date(2026, 2, 10)),
        # A weekend closes nothing.
        (at(14, 15, 30), date(2026, 2, 13)),
        (at(15, 23, 59), date(2026, 2, 13)),
        (at(16, 15, 29), date(2026, 2, 13)),
        (at(16, 15, 30), date(2026, 2, 16)),
    ],
)
def test_the_pending_end_of_day_is_that_of_the_last_date_whose_cut_has_passed(now: datetime, closes: date) -> None:
    assert list(list_due(EndOfDayScope.ALL, now=now, closed=[])) == [(closes, None)]


def test_a_closed_date_and_older_ones_are_not_pending() -> None:
    assert list(list_due(EndOfDayScope.ALL, now=at(10, 16, 0), closed=[(date(2026, 2, 10), None)])) == []


def test_each_segment_is_pending_after_the_end_of_its_session() -> None:
    def due(now: datetime) -> set[ExchangeSegment | None]:
        scope = EndOfDayScope.CLOSED_SEGMENTS
        return {segment for day, segment in list_due(scope, now=now, closed=[]) if day == now.date()}

    assert due(at(20, 15, 30, month=11)) == {S.IDX_I, S.NSE_EQ, S.BSE_EQ}
    assert due(at(20, 15, 40, month=11)) == {S.IDX_I, S.NSE_EQ, S.BSE_EQ, S.NSE_FNO, S.BSE_FNO}
    assert due(at(20, 23, 55, month=11)) == set(S)


def test_a_segment_without_trading_has_no_end_of_day() -> None:
    holiday, thursday = date(2026, 2, 13), date(2026, 2, 12)
    book = SessionBook([Session(S.NSE_FNO, holiday, SessionKind.HOLIDAY)])

    closings = {
        segment: day for day, segment in list_closings(EndOfDayScope.CLOSED_SEGMENTS, now=at(14, 18, 0), book=book)
    }

    assert (closings[S.NSE_FNO], closings[S.BSE_FNO]) == (thursday, holiday)
    assert list_closings(EndOfDayScope.ALL, now=at(14, 18, 0), book=book) == [(holiday, None)]


def test_the_end_of_day_of_all_segments_belongs_to_days_with_a_session_before_it() -> None:
    holiday, sunday = date(2026, 2, 12), date(2026, 2, 15)
    evening = Session(S.MCX_COMM, holiday, SessionKind.SPECIAL, time(17, 0), time(23, 55))
    closed = [Session(one, holiday, SessionKind.HOLIDAY) for one in S if one is not S.MCX_COMM]
    special = [Session(S.NSE_EQ, sunday, SessionKind.SPECIAL, time(9, 15), time(15, 30))]
    book = SessionBook([*closed, evening, *special])

    def closes(now: datetime) -> date:
        return list_closings(EndOfDayScope.ALL, now=now, book=book)[0][0]

    # On a holiday with an evening session of commodities, what is prepared for the evening stays.
    assert closes(at(12, 15, 30)) == date(2026, 2, 11)
    assert closes(at(13, 15, 30)) == date(2026, 2, 13)
    assert closes(at(15, 15, 30)) == sunday


def test_the_rows_of_a_late_session_set_its_end() -> None:
    muhurat = date(2026, 2, 15)  # a Sunday
    book = SessionBook([Session(S.NSE_EQ, muhurat, SessionKind.MUHURAT, time(18, 0), time(19, 0))])

    assert cut_of(S.NSE_EQ, muhurat, book=book) == time(19, 0)
    assert list_cut_short(time(15, 30), day=muhurat, book=book)[:1] == ["NSE_EQ trades until 19:00"]
    assert (muhurat, S.NSE_EQ) not in list_closings(EndOfDayScope.CLOSED_SEGMENTS, now=at(15, 18, 59), book=book)
    assert (muhurat, S.NSE_EQ) in list_closings(EndOfDayScope.CLOSED_SEGMENTS, now=at(15, 19, 0), book=book)


def test_a_date_closed_for_all_segments_has_no_pending_segment() -> None:
    closed = [(date(2026, 2, 10), None), (date(2026, 2, 9), None)]

    assert list(list_due(EndOfDayScope.CLOSED_SEGMENTS, now=at(10, 16, 0), closed=closed)) == []
