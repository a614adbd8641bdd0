"""The end of the day: release the claims of tier A; tier B stays.

A run belongs to the date that it closes, and to one segment under `EOD_SCOPE=closed_segments`. Its row in
`end_of_day_runs` makes it run once per date, however often beat fires it, and it releases only the claims made before
the cut of that date. So a run that fires days late releases no claim of today. The watchlists app deletes the entries,
in the same transaction.
"""

import logging
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import LOOK_BACK_DAYS
from marketdata.selectors import IST, read_calendar
from subscriptions.domain.claims import Cause, ClaimKind, LogReason, Tier
from subscriptions.domain.sessions import CUT, ORDINARY, Closing, EndOfDayScope, cut_of, list_due
from subscriptions.models import Claim, EndOfDayRun
from subscriptions.services.claims.release import Release, release
from subscriptions.services.placement.lock import placement

logger = logging.getLogger(__name__)


def list_due_closings(*, now: datetime) -> Sequence[Closing]:
    """Return the closings under `EOD_SCOPE` that are past and have not run; of each segment the latest date only.

    Deletes runs that lie in the future: a clock that was ahead made them, and their days are still to be closed.
    """
    scope, here = EndOfDayScope(settings.EOD_SCOPE), now.astimezone(IST)
    runs = EndOfDayRun.objects.filter(closes__gte=here.date() - timedelta(days=LOOK_BACK_DAYS))
    rows = list(runs.values_list("closes", "exchange_segment", "ran_at"))
    if any(ran_at > now for _, _, ran_at in rows):
        deleted, _ = runs.filter(ran_at__gt=now).delete()
        logger.warning("%d runs of the end of day lie in the future: deleted", deleted)
    closed = {(day, None if segment is None else ExchangeSegment(segment)) for day, segment, at in rows if at <= now}
    # Mostly everything is closed that any calendar could ask for: then the calendar is not read.
    if scope is EndOfDayScope.ALL and (_last_cut(here), None) in closed:
        return []
    return list(list_due(scope, now=here, closed=closed, book=read_calendar(about=here.date())))


def _last_cut(here: datetime) -> date:
    """Return the date of the last cut of all segments, whether that was a trading day or not."""
    return here.date() if here.time() >= CUT else here.date() - timedelta(days=1)


def end_of_day(*, closes: date, actor: str, now: datetime, segment: ExchangeSegment | None = None) -> Release | None:
    """Release the tier-A claims made before the cut of `closes`, of one segment or of all; None if it has run.

    A run before the cut releases claims but leaves no row, so the run at the cut still follows. Raises PlacementBusy.
    """
    cut = cut_at(closes, segment)
    with placement(now=now):
        # Under the lock, so that of two concurrent runs the second waits, then finds the row of the first.
        run, is_new = EndOfDayRun.objects.get_or_create(
            closes=closes, exchange_segment=segment, defaults={"ran_at": now, "actor": actor}
        )
        if not is_new:
            return None
        released = _release(_claims_before(cut, segment), Cause(LogReason.EOD_CLEANUP, actor, now))
        if now < cut:
            run.delete()
        else:
            run.claims, run.released = released.claims, released.released
            run.save(update_fields=["claims", "released"])
    return released


def release_tier_a(
    *, claimed_before: datetime, actor: str, reason: str, now: datetime, only_watchlists: bool = False
) -> Release:
    """Release the tier-A claims made before a moment, all or those of watchlists only. Raises PlacementBusy."""
    with placement(now=now):
        claims = _claims_before(claimed_before, None)
        if only_watchlists:
            claims = claims.filter(kind=ClaimKind.WATCHLIST)
        return _release(claims, Cause(reason, actor, now))


def cut_at(closes: date, segment: ExchangeSegment | None) -> datetime:
    """Return the cut of that closing: it releases the claims made before this moment."""
    book = ORDINARY if segment is None else read_calendar(about=closes, segments=[segment])
    return datetime.combine(closes, cut_of(segment, closes, book=book), tzinfo=IST)


def _claims_before(moment: datetime, segment: ExchangeSegment | None) -> QuerySet[Claim]:
    claims = Claim.objects.filter(tier=Tier.A, claimed_at__lt=moment).exclude(kind=ClaimKind.SPOT)
    if segment is None:
        return claims
    return claims.filter(Q(exchange_segment=segment) | Q(instrument__exchange_segment=segment))


def _release(claims: QuerySet[Claim], cause: Cause) -> Release:
    return release(list(claims.order_by("pk")), cause=cause)
