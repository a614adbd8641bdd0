"""R27: Indian time by the seeded calendar: holidays, a trading Sunday, midnight, a wrong clock.

The rows are those of the migrations. Every function under test gets its time as an argument; nothing here reads the
clock of the machine.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from marketdata import selectors
from marketdata.dhan import packets
from marketdata.dhan.quote_table import QuoteTable
from marketdata.domain.instruments import ExchangeSegment as S
from marketdata.domain.instruments import InstrumentKey
from marketdata.domain.quote_rows import Known
from marketdata.domain.quotes import DepthLevel, FullTick, PreviousCloseTick, TickerTick
from marketdata.domain.sessions import Session, SessionBook, SessionKind
from marketdata.domain.tick_rules import day_in_india
from marketdata.models import MarketSession
from subscriptions.domain.sessions import EndOfDayScope, cut_of, list_due

IST = ZoneInfo("Asia/Kolkata")
NIFTY = InstrumentKey(S.IDX_I, 13)
OPTION = InstrumentKey(S.NSE_FNO, 40472)


def ist(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=IST)


def book_about(at: datetime) -> SessionBook:
    return selectors.read_calendar(about=at.astimezone(IST).date())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("segment", "at", "is_open", "is_expected"),
    [
        # An ordinary Friday, by the second.
        (S.NSE_FNO, ist(2026, 11, 20, 9, 14, 59), False, False),
        (S.NSE_FNO, ist(2026, 11, 20, 9, 15), True, True),
        (S.NSE_FNO, ist(2026, 11, 20, 15, 39, 59), True, True),
        (S.NSE_FNO, ist(2026, 11, 20, 15, 40), False, False),
        # Spots do not change from 15:15 while their options still trade; no data is expected of them.
        (S.IDX_I, ist(2026, 11, 20, 15, 14, 59), True, True),
        (S.IDX_I, ist(2026, 11, 20, 15, 15), True, False),
        (S.NSE_EQ, ist(2026, 11, 20, 15, 29, 59), True, False),
        (S.NSE_EQ, ist(2026, 11, 20, 15, 30), False, False),
        # Expiry day, before and after the change of 3 Aug 2026: derivatives to 15:30, then to 15:40.
        (S.NSE_FNO, ist(2026, 7, 28, 15, 29, 59), True, True),
        (S.NSE_FNO, ist(2026, 7, 28, 15, 30), False, False),
        (S.IDX_I, ist(2026, 7, 28, 15, 20), True, True),
        (S.NSE_FNO, ist(2026, 11, 23, 15, 30), True, True),
        # A holiday, and the evening session of MCX; Republic Day closes that as well.
        (S.NSE_FNO, ist(2026, 11, 24, 11, 0), False, False),
        (S.MCX_COMM, ist(2026, 11, 24, 11, 0), False, False),
        (S.MCX_COMM, ist(2026, 11, 24, 17, 0), True, True),
        (S.MCX_COMM, ist(2026, 1, 26, 18, 0), False, False),
        (S.MCX_COMM, ist(2026, 1, 1, 18, 0), False, False),
        # MCX follows daylight saving time in New York.
        (S.MCX_COMM, ist(2026, 3, 6, 23, 40), True, True),
        (S.MCX_COMM, ist(2026, 3, 9, 23, 40), False, False),
        (S.MCX_COMM, ist(2026, 10, 30, 23, 40), False, False),
        (S.MCX_COMM, ist(2026, 11, 2, 23, 54, 59), True, True),
        (S.MCX_COMM, ist(2026, 11, 2, 23, 55), False, False),
        # Budget Sunday trades; another Sunday does not; Muhurat has no hours until a circular names them.
        (S.NSE_EQ, ist(2026, 2, 1, 11, 0), True, True),
        (S.NSE_EQ, ist(2026, 2, 8, 11, 0), False, False),
        (S.NSE_EQ, ist(2026, 11, 8, 18, 30), False, False),
        # Currencies trade until 17:00 and have additional holidays.
        (S.NSE_CURRENCY, ist(2026, 11, 20, 16, 59), True, True),
        (S.NSE_CURRENCY, ist(2026, 8, 26, 11, 0), False, False),
        (S.NSE_FNO, ist(2026, 8, 26, 11, 0), True, True),
        # The same times in other zones: UTC, and New York in summer.
        (S.NSE_FNO, ist(2026, 11, 20, 15, 39, 59).astimezone(UTC), True, True),
        (S.NSE_FNO, ist(2026, 7, 28, 15, 30).astimezone(ZoneInfo("America/New_York")), False, False),
        # No rows exist for 2027: weekdays count as ordinary trading days, Sundays as closed.
        (S.NSE_FNO, ist(2027, 1, 4, 11, 0), True, True),
        (S.NSE_FNO, ist(2027, 1, 3, 11, 0), False, False),
    ],
)
def test_r27_segments_trade_by_the_calendar_of_india(
    segment: S, at: datetime, *, is_open: bool, is_expected: bool
) -> None:
    book = book_about(at)

    assert (book.is_open(segment, at), book.is_streaming_expected(segment, at)) == (is_open, is_expected)


@pytest.mark.django_db
def test_r27_muhurat_trades_after_staff_have_entered_its_hours() -> None:
    at = ist(2026, 11, 8, 18, 30)
    assert not book_about(at).is_open(S.NSE_FNO, at)

    MarketSession.objects.filter(day=at.date()).update(opens=time(18, 15), closes=time(19, 15))

    book = book_about(at)
    assert book.is_open(S.NSE_FNO, at)
    assert book.closed_since(S.NSE_FNO, at + timedelta(hours=1)) == ist(2026, 11, 8, 19, 15)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("today", "missing"),
    [
        (date(2026, 11, 20), None),  # Friday; Monday has rows
        (date(2026, 11, 23), None),  # the eve of a holiday
        (date(2026, 12, 24), None),  # the eve of Christmas and a weekend
        (date(2026, 12, 30), None),
        (date(2026, 12, 31), "Fri 01 Jan 2027"),
        (date(2028, 2, 28), "Tue 29 Feb 2028"),
        (date(2028, 2, 29), "Wed 01 Mar 2028"),
    ],
)
def test_r27_a_next_trading_day_without_rows_is_reported(today: date, missing: str | None) -> None:
    sentence = selectors.next_trading_day_missing(today=today)

    assert (sentence is None) == (missing is None)
    assert missing is None or missing in str(sentence)


@pytest.mark.parametrize(
    ("utc", "day", "closes"),
    [
        (datetime(2026, 11, 20, 18, 29, 59, tzinfo=UTC), date(2026, 11, 20), date(2026, 11, 20)),
        (datetime(2026, 11, 20, 18, 30, tzinfo=UTC), date(2026, 11, 21), date(2026, 11, 20)),
        (datetime(2028, 2, 28, 18, 30, tzinfo=UTC), date(2028, 2, 29), date(2028, 2, 28)),
        (datetime(2028, 2, 29, 18, 30, tzinfo=UTC), date(2028, 3, 1), date(2028, 2, 29)),
    ],
)
def test_r27_the_day_changes_at_midnight_in_india(utc: datetime, day: date, closes: date) -> None:
    assert date(1970, 1, 1) + timedelta(days=day_in_india(int(utc.timestamp() * 1_000))) == day
    due = list(list_due(EndOfDayScope.ALL, now=utc.astimezone(IST), closed=[]))
    assert due == [(closes, None)]


def test_r27_a_leap_day_trades_like_any_other_day() -> None:
    leap_day = date(2028, 2, 29)

    assert SessionBook().is_open(S.NSE_FNO, ist(2028, 2, 29, 15, 39))
    assert cut_of(S.MCX_COMM, leap_day) == time(23, 55)


def full(ltt: int, *, ltp: float, day_close: float) -> FullTick:
    one = DepthLevel(1, 1, 1, 1, 1.0, 2.0)
    return FullTick(OPTION, ltp, 1, ltt, ltp, 1, 1, 1, 1, 1, 1, ltp, day_close, ltp, ltp, (one, one, one, one, one))


def table_fed(*ticks: tuple[datetime, FullTick | TickerTick | PreviousCloseTick], skew: timedelta) -> QuoteTable:
    """Return a table after `ticks`, on a host whose clock differs by `skew` from the exchange's."""
    table = QuoteTable()
    table.add({NIFTY: 1, OPTION: 2})
    for at, tick in ticks:
        table.append(packets.encode(tick))
        table.absorb(received_at_ms=int((at + skew).timestamp() * 1_000))
    return table


def ltt_at(at: datetime) -> int:
    return int(at.timestamp()) + packets.IST_OFFSET_SECONDS


@pytest.mark.parametrize("minutes", [-5, 0, 5])
def test_r27_a_host_with_a_wrong_clock_accepts_the_same_ticks(minutes: int) -> None:
    friday, monday = ist(2026, 11, 20, 15, 39), ist(2026, 11, 23, 9, 15)
    ticks = [
        (friday, full(ltt_at(friday), ltp=100.0, day_close=90.0)),
        (friday, full(ltt_at(friday) - 1, ltp=99.0, day_close=90.0)),  # older
        # After the close of the session the field contains today's close.
        (ist(2026, 11, 20, 16, 0), full(ltt_at(friday), ltp=100.0, day_close=100.0)),
        (monday, full(ltt_at(monday), ltp=110.0, day_close=100.0)),
    ]

    before, after = (table_fed(*ticks[:count], skew=timedelta(minutes=minutes)) for count in (3, 4))

    assert [float(before.all_rows()[name][0]) for name in ("ltp", "previous_close")] == [100.0, 90.0]
    assert [float(after.all_rows()[name][0]) for name in ("ltp", "previous_close")] == [110.0, 100.0]
    assert (after.counters.older, after.counters.bad) == (1, 0)


def test_r27_an_index_drops_the_previous_close_of_another_day_and_takes_that_of_a_snapshot() -> None:
    friday, monday = ist(2026, 11, 20, 9, 15), ist(2026, 11, 23, 9, 15)
    table = table_fed(
        (friday, PreviousCloseTick(NIFTY, 24_900.0, 0)),
        (friday, TickerTick(NIFTY, 25_000.0, ltt_at(friday))),
        (monday, TickerTick(NIFTY, 25_100.0, ltt_at(monday))),
        skew=timedelta(),
    )
    (row,) = table.all_rows()
    assert not row["known"] & (Known.PREVIOUS_CLOSE | Known.DAY_CLOSE)
    assert 1 in table.ids_to_seed()

    snapshot = table.all_rows()
    snapshot["known"], snapshot["previous_close"] = Known.TRADE | Known.DAY_CLOSE, 25_000.0
    table.seed(snapshot)

    (row,) = table.all_rows()
    assert (float(row["ltp"]), float(row["previous_close"])) == (25_100.0, 25_000.0)
    assert 1 not in table.ids_to_seed()


def test_r27_no_data_is_expected_between_two_sessions_of_a_day() -> None:
    saturday = date(2026, 3, 14)
    book = SessionBook(
        Session(S.NSE_EQ, saturday, SessionKind.SPECIAL, opens, closes)
        for opens, closes in ((time(9, 15), time(10, 0)), (time(11, 30), time(12, 30)))
    )

    states = [book.is_open(S.NSE_EQ, ist(2026, 3, 14, hour, 45)) for hour in (9, 10, 11, 12)]

    assert states == [True, False, True, False]
    assert book.closed_since(S.NSE_EQ, ist(2026, 3, 14, 10, 45)) == ist(2026, 3, 14, 10, 0)
    assert book.end_of(S.NSE_EQ, saturday) == time(12, 30)
