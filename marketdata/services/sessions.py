"""Writes to the calendar: a whole year at a time, and days that turn out to be holidays."""

from collections.abc import Collection
from datetime import date, timedelta

from django.db import transaction

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import Session, SessionKind, ordinary_session
from marketdata.models import MarketSession


def load_market_calendar(*, year: int, exceptions: Collection[tuple[Session, str]], source: str) -> int:
    """Replace the rows of a year by its ordinary sessions and what differs, with a note each; return how many.

    A day that has an exception in a segment has no ordinary session there. Raises ValueError for one of another year.
    """
    strays = [str(one.day) for one, _ in exceptions if one.day.year != year]
    if strays:
        raise ValueError(f"not of {year}: {', '.join(strays)}")
    taken = {(one.segment, one.day) for one, _ in exceptions}
    days = [date(year, 1, 1) + timedelta(days=one) for one in range((date(year + 1, 1, 1) - date(year, 1, 1)).days)]
    ordinary = [
        (session, "")
        for day in days
        for segment in ExchangeSegment
        if (segment, day) not in taken and (session := ordinary_session(segment, day)) is not None
    ]
    rows = [_row(session, note, source) for session, note in (*ordinary, *exceptions)]
    with transaction.atomic():
        MarketSession.objects.filter(day__year=year).delete()
        MarketSession.objects.bulk_create(rows, batch_size=1_000)
    return len(rows)


def make_holidays(*, session_ids: Collection[int], source: str) -> int:
    """Turn sessions into holidays, one row a day and segment; return how many days that were."""
    with transaction.atomic():
        chosen = MarketSession.objects.filter(pk__in=session_ids)
        days = set(chosen.values_list("exchange_segment", "day"))
        for segment, day in days:
            MarketSession.objects.filter(exchange_segment=segment, day=day).delete()
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
