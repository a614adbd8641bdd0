"""The record of each day's end: closing price and closing open interest of every instrument that streams.

The base of the next day's figures: the broker's close field holds the previous close only during a session. A segment
is recorded once per session day, from the last-value cache, in one statement for all segments that have closed. Days
beyond the newest CLOSES_KEEP_DAYS are removed.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from django.conf import settings
from django.db import connection

from marketdata import quote_board, selectors
from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.prices import known_price
from marketdata.domain.quote_rows import QUOTE_ROW, Known
from marketdata.domain.sessions import IST
from marketdata.domain.tick_rules import DAY_SECONDS, day_in_india, day_number
from marketdata.models import Instrument

logger = logging.getLogger(__name__)

# Circulars of the exchanges (`marketdata.domain.sessions`): the closing auction is matched from 15:30 to 15:35.
SETTLE: Final = timedelta(minutes=5)
CASH: Final = frozenset({ExchangeSegment.IDX_I, ExchangeSegment.NSE_EQ, ExchangeSegment.BSE_EQ})
"""Segments whose instruments have no open interest; the broker sends 0."""

_UNRECORDED: Final = """
SELECT closed.segment, closed.day FROM unnest(%s::smallint[], %s::date[]) AS closed (segment, day)
WHERE NOT EXISTS (SELECT FROM closing_quotes c WHERE c.day = closed.day AND c.exchange_segment = closed.segment)
"""
_WRITE: Final = """
INSERT INTO closing_quotes (instrument_id, exchange_segment, day, price, oi, recorded_at)
SELECT id, segment, day, price, oi, %s
FROM unnest(%s::bigint[], %s::smallint[], %s::date[], %s::numeric[], %s::bigint[]) AS q (id, segment, day, price, oi)
ON CONFLICT ON CONSTRAINT closing_quotes_once_per_day DO NOTHING
"""
# Counted in recorded days, not from the clock: one that runs ahead by years must not remove the record. One index
# look-up per day.
_FIND_NEWEST_OLD_DAY: Final = """
WITH RECURSIVE days (day) AS (
    SELECT max(day) FROM closing_quotes
    UNION ALL
    SELECT (SELECT max(c.day) FROM closing_quotes c WHERE c.day < days.day) FROM days WHERE days.day IS NOT NULL
)
SELECT day FROM days WHERE day IS NOT NULL OFFSET %s LIMIT 1
"""
_REMOVE_OLDEST_DAY: Final = """
DELETE FROM closing_quotes WHERE day = (SELECT min(day) FROM closing_quotes WHERE day <= %s)
"""
# Chosen: usually one day is old; after the setting was lowered, a run removes at most a month, 500,000 rows.
REMOVED_DAYS: Final = 20

ClosingRow = tuple[int, int, date, Decimal | None, int | None]
"""Instrument id, exchange segment, day, price in rupees, open interest."""


@dataclass(frozen=True, slots=True)
class RecordedCloses:
    """The segments that were recorded with their days, and the number of instruments."""

    segments: Mapping[ExchangeSegment, date]
    instruments: int


def record_closes(*, now: datetime) -> RecordedCloses:
    """Record each segment whose last session has ended and is not recorded yet. Raises BoardError.

    The price is that of the last trade of the session, also of its closing auction; unknown for an instrument that did
    not trade. An instrument that sent nothing on that day is left out.
    """
    days = _list_unrecorded(now)
    rows = _read_rows(days) if days else []
    if rows:
        write_closes(rows, now=now)
        recorded = {ExchangeSegment(segment): day for _, segment, day, _, _ in rows}
        logger.info("closing prices of %d instruments recorded, %d segments", len(rows), len(recorded))
        return RecordedCloses(recorded, len(rows))
    return RecordedCloses({}, 0)


def remove_old_closes() -> int:
    """Remove the oldest recorded days, at most REMOVED_DAYS, beyond the newest CLOSES_KEEP_DAYS; return the rows.

    One statement a day, each its own transaction where the caller has none: at most 25,000 rows.
    """
    removed = 0
    with connection.cursor() as cursor:
        cursor.execute(_FIND_NEWEST_OLD_DAY, [settings.CLOSES_KEEP_DAYS])
        if found := cursor.fetchone():
            for _ in range(REMOVED_DAYS):
                cursor.execute(_REMOVE_OLDEST_DAY, found)
                removed += cursor.rowcount
    if removed:
        logger.info("closing prices removed: %d rows of days before the newest %d", removed, settings.CLOSES_KEEP_DAYS)
    return removed


def write_closes(rows: Sequence[ClosingRow], *, now: datetime) -> None:
    """Write closing prices in one statement; one that is recorded already stays. `rows` is not empty."""
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, [now, *(list(column) for column in zip(*rows, strict=True))])


def _list_unrecorded(now: datetime) -> Mapping[ExchangeSegment, date]:
    """Return the session day of each closed segment that has no record."""
    book = selectors.read_calendar(about=now.astimezone(IST).date())
    ends = {segment: book.last_close(segment, now) for segment in ExchangeSegment}
    closed = {
        segment: end.date()
        for segment, end in ends.items()
        # While a session is open, the cache holds its prices and not those of the close before it.
        if end
        and now >= end + SETTLE
        and not book.is_open(segment, now)
        and book.session_day(segment, now) == end.date()
    }
    with connection.cursor() as cursor:
        cursor.execute(_UNRECORDED, [[int(one) for one in closed], list(closed.values())])
        return {ExchangeSegment(segment): day for segment, day in cursor.fetchall()}


def _read_rows(days: Mapping[ExchangeSegment, date]) -> list[ClosingRow]:
    board = quote_board.connect()
    cached = board.read_cached(set().union(*board.list_cached().values()))
    listed = Instrument.objects.filter(pk__in=cached, exchange_segment__in=days)
    found = []
    for instrument_id, segment, tick_size in listed.values_list("pk", "exchange_segment", "tick_size"):
        row = dict(zip(QUOTE_ROW.names or (), cached[instrument_id][1].item(), strict=True))
        known, day = row["known"], days[ExchangeSegment(segment)]
        if day_in_india(row["received_at_ms"]) < day_number(day):
            continue
        has_traded = known & Known.TRADE and row["ltt"] // DAY_SECONDS == day_number(day)
        price = known_price(row["ltp"], tick_size) if has_traded else None
        oi = row["oi"] if known & Known.OI and segment not in CASH else None
        if price is not None or oi is not None:
            found.append((instrument_id, segment, day, price, oi))
    return found
