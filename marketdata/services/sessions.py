"""Writes to the market calendar: a whole year, or days that become holidays."""

from collections.abc import Collection
from datetime import date, timedelta

from django.db import transaction

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import Session, SessionKind, ordinary_session
from marketdata.models import MarketSession


def load_market_calendar(*, year: int, exceptions: Collection[tuple[Session, str]], source: str) -> int:
    """Replace the rows of a year with ordinary sessions and `exceptions` (session and note); return their number.

    An exception replaces the ordinary session of its segment and day. Raises ValueError for a day of another year.
    """
    strays = [str(one.day) for one, _ in exceptions if one.day.year != year]
    if strays:
        raise ValueError(f"days outside {year}: {', '.join(strays)}")
    taken = {(one.segment, one.day) for one, _ in exceptions}
    days = [date(year, 1, 1) + timedelta(days=one) for one in range((date(year + 1, 1, 1) - date(year, 1, 1)).days)]
    ordinary = [
        (session, "")
        for day in days
        for segment in ExchangeSegment
        if (segment, day) not in taken and (session := ordinary_session(segment, day)) is not None
    ]
    rows = [_row(session, note, source) for session, note in (*ordinary, *exceptions)]
    # One transaction: a reader must never find a year without sessions, which would count as all ordinary.
    with transaction.atomic():
        MarketSession.objects.filter(day__year=year).delete()
        MarketSession.objects.bulk_create(rows, batch_size=1_000)
    return len(rows)


def make_holidays(*, session_ids: Collection[int], source: str) -> int:
    """Turn the days of these sessions into holidays, one row per day and segment; return the number of rows."""
    with transaction.atomic():
        chosen = MarketSession.objects.filter(pk__in=session_ids)
        days = set(chosen.values_list("exchange_segment", "day"))
        for segment, day in days:
            MarketSession.objects.filter(exchange_segment=segment, day=day).delete()
        # A day may have two sessions (morning and evening); a holiday is one row.
        rows = [
            MarketSession(exchange_segment=segment, day=day, kind=SessionKind.HOLIDAY.value, source=source)
            for segment, day in sorted(days)
        ]
        MarketSession.objects.bulk_create(rows, ignore_conflicts=True)
    return len(days)


def _row(session: Session, note: str, source: str) -> MarketSession:
    return MarketSession(
        exchange_segment=session.segment,
        day=session.day,
        kind=session.kind.value,
        opens=session.opens,
        closes=session.closes,
        frozen_from=session.frozen_from,
        source=source,
        note=note,
    )
