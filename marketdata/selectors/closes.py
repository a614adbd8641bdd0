"""Previous closes from our own record, `closing_quotes`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from django.db import connection

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import IST
from marketdata.selectors.sessions import read_calendar

# One index look-up per instrument: the unique index begins with it.
_SQL: Final = """
SELECT c.instrument_id, c.price, c.oi, asked.session_day
FROM unnest(%s::smallint[], %s::date[], %s::date[]) AS asked (segment, day_before, session_day)
JOIN closing_quotes c ON c.day = asked.day_before AND c.exchange_segment = asked.segment
WHERE c.instrument_id = ANY(%s) AND c.price IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class PreviousClose:
    """The close before a session: `price` in rupees, `oi` where the instrument has open interest.

    `session_day` is the day that it precedes: a price of that day, and no other, may be compared with it.
    """

    price: Decimal
    oi: int | None
    session_day: date


def list_previous_closes(*, instrument_ids: Collection[int], now: datetime) -> Mapping[int, PreviousClose]:
    """Return the recorded close before the session that runs at `now`, or ended last, by instrument id; two queries.

    The record of the session day directly before it counts, no older one: an instrument without it is missing.
    """
    book = read_calendar(about=now.astimezone(IST).date())
    days = [
        (int(segment), before, day)
        for segment in ExchangeSegment
        if (day := book.session_day(segment, now)) and (before := book.session_day_before(segment, day))
    ]
    with connection.cursor() as cursor:
        cursor.execute(_SQL, [*(list(column) for column in zip(*days, strict=True)), list(instrument_ids)])
        return {instrument_id: PreviousClose(*values) for instrument_id, *values in cursor.fetchall()}
