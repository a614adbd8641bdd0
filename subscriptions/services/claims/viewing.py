"""Noting that a trader looks at what they claimed: it decides whose turn it is when room is short.

Watching a chain in a browser and reading it through the API are views, of the looker's own claims only: nobody keeps
another's chain young. A chain is as old as the newest view among its claims.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from marketdata.domain.instruments import SeriesKey

EVERY: Final = timedelta(seconds=30)

# Rows that a writer holds are skipped: a view waits for nobody, so it is never slow and cannot deadlock.
_NOTE_CHAIN: Final = """
UPDATE claims SET last_viewed_at = %(now)s WHERE id IN (
    SELECT id FROM claims
    WHERE user_id = %(user)s AND tier = 'A' AND last_viewed_at <= %(before)s
        AND exchange_segment = %(segment)s AND underlying_symbol = %(underlying)s AND expiry = %(expiry)s
        AND (%(width)s::integer IS NULL OR width = %(width)s)
    FOR NO KEY UPDATE SKIP LOCKED
)
"""
_NOTE_INSTRUMENTS: Final = """
UPDATE claims SET last_viewed_at = %(now)s WHERE id IN (
    SELECT id FROM claims
    WHERE user_id = %(user)s AND tier = 'A' AND last_viewed_at <= %(before)s AND instrument_id = ANY(%(instruments)s)
    FOR NO KEY UPDATE SKIP LOCKED
)
"""


def note_viewed(
    *,
    user_id: int,
    series: SeriesKey | None = None,
    width: int | None = None,
    instrument_ids: Collection[int] = (),
    now: datetime,
) -> None:
    """Note that this trader looks at a chain (of any width, without `width`) or at single instruments.

    Written at most once per claim and `EVERY`; a claim that a writer is at just now is left for the next look.
    """
    asked: dict[str, Any] = {"user": user_id, "now": now, "before": now - EVERY}
    with connection.cursor() as cursor:
        if series is not None:
            asked |= {"segment": series.segment, "underlying": series.underlying, "expiry": series.expiry}
            cursor.execute(_NOTE_CHAIN, {**asked, "width": width})
        if instrument_ids:
            cursor.execute(_NOTE_INSTRUMENTS, {**asked, "instruments": list(instrument_ids)})
