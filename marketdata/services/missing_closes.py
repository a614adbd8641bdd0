"""Fills gaps of the record of closes from the broker's daily candles: the third source of the previous close.

Theory of operation. An instrument that streams, with a price of its last session and without a previous close, gets it
from its first packet (during a session), else from our record of the day before, else from a snapshot (during a
session). Where none of them has it, the broker's candle of the day before does: it names its day, so it is right at any
time. The candle is written into the record, from which the feed workers take it.

One request returns one instrument, so requests are few: no option legs, indices and spots first, at most MOST_A_RUN in
a run and MOST_A_DAY in a day of the account. What the broker answers, also that it has no candle, holds for the day. An
instrument whose answer cannot be read waits, longer each time, so that it does not hold back the others.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np
from django.db import connection

from marketdata import dhan_api, quote_board, rest_board, selectors
from marketdata.dhan.candles import DailyCandle
from marketdata.dhan.credentials import Credentials
from marketdata.dhan_api import DhanError, DhanUnreachable, RequestRefused
from marketdata.domain.backoff import wait_after
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey, InstrumentType
from marketdata.domain.quote_rows import CLOSE_KNOWN, Known
from marketdata.domain.sessions import IST
from marketdata.domain.tick_rules import DAY_SECONDS, day_number
from marketdata.rest_board import PriceWait
from marketdata.services.closes import CASH, ClosingRow, write_closes
from marketdata.services.price_requests import read_credentials_for

logger = logging.getLogger(__name__)

# docs/dhan.md: five requests a second for all data APIs of the account. Chosen: two, since option chains share them.
INTERVAL_SECONDS: Final = 0.5
# Chosen: twenty seconds of the minute between two runs, in which the run occupies one of the two work processes.
MOST_A_RUN: Final = 40
RUN_SECONDS: Final = 30.0  # Chosen: half of the time between two runs, for a broker that answers slowly.
# docs/dhan.md: 100,000 a day for all data APIs. Chosen: a twentieth, over all shares and futures with options.
MOST_A_DAY: Final = 5_000
MOST_FAILURES: Final = 3  # Chosen: after as many unreadable answers in a row the fault is not of one instrument.
# After an unreadable answer; the wait doubles up to a day. Chosen: the time between two runs.
FIRST_WAIT: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)

# Streamed instruments without a record of the day before; an index look-up for each.
_UNRECORDED: Final = """
SELECT i.id, i.exchange_segment, i.security_id, i.instrument_type, asked.day_before
FROM unnest(%s::smallint[], %s::date[]) AS asked (segment, day_before)
JOIN instruments i ON i.exchange_segment = asked.segment
WHERE i.id = ANY(%s) AND i.is_listed AND i.option_type = ''
AND NOT EXISTS (SELECT FROM closing_quotes c WHERE c.instrument_id = i.id AND c.day = asked.day_before)
ORDER BY i.instrument_type <> 'INDEX', NOT EXISTS (SELECT FROM instruments d WHERE d.underlying_id = i.id), i.id
"""


@dataclass(frozen=True, slots=True)
class _Lacking:
    """An instrument without a previous close, and the session day of which it needs the close."""

    instrument_id: int
    key: InstrumentKey
    instrument_type: InstrumentType
    day: date


@dataclass(slots=True)
class _Run:
    """The requests of one run: candles, None where the broker has none, and the instruments with unreadable answers."""

    requests: int = 0
    answered: dict[_Lacking, DailyCandle | None] = field(default_factory=dict)
    failed: list[_Lacking] = field(default_factory=list)


def fill_closes(*, now: datetime, interval_seconds: float = INTERVAL_SECONDS) -> int:
    """Record previous closes of instruments that lack one, from daily candles; return their number.

    Blocks for at most RUN_SECONDS and one request. Raises BoardError.
    """
    board, today = rest_board.connect(), now.astimezone(IST).date()
    lacking = _list_lacking(now)
    waits = board.list_candle_waits([one.instrument_id for one in lacking])
    due = [one for one in lacking if one.instrument_id not in waits or waits[one.instrument_id].due_at <= now]
    most = min(MOST_A_RUN, MOST_A_DAY - board.count_candle_requests(today))
    batch = due[: max(0, most)]
    credentials = read_credentials_for("daily candles") if batch else None
    if credentials is None:
        return 0
    run = _request(batch, credentials, interval_seconds)
    rows = [_closing_row(one, candle) for one, candle in run.answered.items() if candle is not None]
    # In this order: after a crash in between they are requested once more.
    if rows:
        write_closes(rows, now=now)
    tomorrow = datetime.combine(today + timedelta(days=1), datetime.min.time(), IST)
    waits_now = {one.instrument_id: PriceWait(0, tomorrow) for one in run.answered}
    for one in run.failed:
        failures = waits[one.instrument_id].failures + 1 if one.instrument_id in waits else 1
        waits_now[one.instrument_id] = PriceWait(failures, now + wait_after(failures, first=FIRST_WAIT, longest=DAY))
    board.note_candle_requests(today, run.requests, waits_now)
    logger.info("%d of %d previous closes read from the broker's daily candles", len(rows), run.requests)
    return len(rows)


def _list_lacking(now: datetime) -> Sequence[_Lacking]:
    """Return the streamed instruments without previous close and record, in the order in which to request them."""
    book = selectors.read_calendar(about=now.astimezone(IST).date())
    days = {segment: day for segment in ExchangeSegment if (day := book.session_day(segment, now))}
    before = {one: found for one, day in days.items() if (found := book.session_day_before(one, day))}
    board = quote_board.connect()
    streamed = frozenset[int]().union(*board.list_cached().values())
    with connection.cursor() as cursor:
        cursor.execute(_UNRECORDED, [[int(one) for one in before], list(before.values()), list(streamed)])
        unrecorded = [
            _Lacking(pk, InstrumentKey(ExchangeSegment(segment), security_id), InstrumentType(kind), day)
            for pk, segment, security_id, kind, day in cursor.fetchall()
        ]
    # Rows after records: from the second day on nearly all are recorded, and few rows are read.
    rows = board.read_cached(one.instrument_id for one in unrecorded)
    return [one for one in unrecorded if one.instrument_id in rows and _lacks_close(one, rows, days)]


def _lacks_close(
    one: _Lacking, rows: Mapping[int, tuple[int, np.void]], session_days: Mapping[ExchangeSegment, date]
) -> bool:
    """Return whether the cached price is of the last session and has no previous close: no other may take one."""
    _, row = rows[one.instrument_id]
    is_of_session = row["ltt"] // DAY_SECONDS == day_number(session_days[one.key.segment])
    return bool(row["known"] & Known.TRADE and not row["known"] & CLOSE_KNOWN and is_of_session)


def _request(batch: Sequence[_Lacking], credentials: Credentials, interval_seconds: float) -> _Run:
    """Request candles until the broker is not available or RUN_SECONDS have passed."""
    run = _Run()
    in_a_row = 0
    ends_at = time.monotonic() + RUN_SECONDS
    for one in batch:
        run.requests += 1
        try:
            run.answered[one] = dhan_api.fetch_candle(one.key, one.instrument_type, one.day, credentials=credentials)
            in_a_row = 0
        except RequestRefused:
            run.answered[one] = None
            in_a_row = 0
        except DhanError as error:
            logger.warning("daily candle of %s not available: %s", one.key, error)
            # An answer that cannot be read may be about this instrument; all else is about the broker or the account.
            if not (isinstance(error, DhanUnreachable) and error.is_answered):
                break
            run.failed.append(one)
            in_a_row += 1
        if in_a_row == MOST_FAILURES or time.monotonic() > ends_at:
            break
        time.sleep(interval_seconds)
    return run


def _closing_row(one: _Lacking, candle: DailyCandle) -> ClosingRow:
    oi = None if one.key.segment in CASH else candle.oi
    return one.instrument_id, int(one.key.segment), one.day, Decimal(str(candle.close)), oi
