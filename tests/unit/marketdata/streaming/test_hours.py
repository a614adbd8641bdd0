from datetime import datetime

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import IST
from marketdata.streaming.feed_status import FeedState, FeedStatus
from marketdata.streaming.hours import MarketHours

FRIDAY = datetime(2026, 11, 27, 12, 0, tzinfo=IST)
SATURDAY = datetime(2026, 11, 28, 12, 0, tzinfo=IST)
NSE_FNO, MCX_COMM = ExchangeSegment.NSE_FNO, ExchangeSegment.MCX_COMM


def complete(hours: MarketHours, now: datetime) -> tuple[dict[int, int], dict[int, int | None]]:
    feed = hours.complete(FeedStatus(FeedState.LIVE, (), ()), now=now, clock=100.0)
    return dict(feed.closed), dict(feed.changes_at)


def milliseconds(day: int, hour: int, minute: int) -> int:
    return round(datetime(2026, 11, day, hour, minute, tzinfo=IST).timestamp() * 1_000)


def test_an_open_segment_has_the_time_of_its_close() -> None:
    closed, changes_at = complete(MarketHours(), FRIDAY)

    assert closed == {}
    assert changes_at[NSE_FNO] == milliseconds(27, 15, 40)
    assert changes_at[MCX_COMM] == milliseconds(27, 23, 55)


def test_a_closed_segment_has_the_time_of_its_next_opening() -> None:
    closed, changes_at = complete(MarketHours(), SATURDAY)

    assert closed[NSE_FNO] == milliseconds(27, 15, 40)
    assert changes_at[NSE_FNO] == milliseconds(30, 9, 15)


def test_a_segment_that_trades_outside_of_the_calendar_has_no_known_end() -> None:
    hours = MarketHours()
    hours.note_trades([NSE_FNO], clock=90.0)

    closed, changes_at = complete(hours, SATURDAY)

    assert NSE_FNO not in closed
    assert changes_at[NSE_FNO] is None
