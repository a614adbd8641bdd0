"""The end of the day: tier A goes, tier B stays.

A run belongs to the date it closes (and to a segment, where segments close apart): its row makes it happen once,
however often it is fired, and it takes only what was claimed before that date's cut. Watchlists are cleared by
their own app, in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from django.conf import settings
from django.db.models import Q, QuerySet

from marketdata.domain.instruments import ExchangeSegment
from marketdata.selectors import IST, current_sessions
from subscriptions.domain.claims import ClaimKind, LogReason, Tier
from subscriptions.domain.sessions import ORDINARY, Closing, EndOfDayScope, cut_of, list_closings, list_due
from subscriptions.models import Claim, EndOfDayRun
from subscriptions.services.claims.release import release
from subscriptions.services.placement.audit import Cause
from subscriptions.services.placement.lock import placement


@dataclass(frozen=True, slots=True)
class EndOfDayReport:
    """What a release of tier A took: claims, instruments that ceased to stream, legs that others hold, whose it was.

    `is_repeat` says that this end of the day was there already, and nothing was done.
    """

    claims: int
    released: int
    kept: int
    user_ids: frozenset[int] = frozenset()
    is_repeat: bool = False


def list_due_closings(*, now: datetime) -> Sequence[Closing]:
    """Return the ends of the day that are past and were not run, by EOD_SCOPE: the last date of each."""
    scope, here = EndOfDayScope(settings.EOD_SCOPE), now.astimezone(IST)
    book = ORDINARY if scope is EndOfDayScope.ALL else current_sessions(now=now)
    days = {day for day, _ in list_closings(scope, now=here, book=book)}
    runs = EndOfDayRun.objects.filter(closes__in=days).values_list("closes", "exchange_segment")
    closed = {(day, None if segment is None else ExchangeSegment(segment)) for day, segment in runs}
    return list(list_due(scope, now=here, closed=closed, book=book))


def end_of_day(*, closes: date, actor: str, now: datetime, segment: ExchangeSegment | None = None) -> EndOfDayReport:
    """Release the tier-A claims made before the cut of `closes`, of one segment or of all; once. Raises PlacementBusy.

    Before that cut nothing is closed: what it takes then is taken again at the cut.
    """
    cut = cut_at(closes, segment)
    with placement(now=now):
        # Under the lock: a second run waits here until the first is committed, and finds its row.
        run, is_new = EndOfDayRun.objects.get_or_create(
            closes=closes, exchange_segment=segment, defaults={"ran_at": now, "actor": actor}
        )
        if not is_new:
            return EndOfDayReport(claims=0, released=0, kept=0, is_repeat=True)
        report = _release(_claims_before(cut, segment), Cause(LogReason.EOD_CLEANUP, actor, now))
        run.claims, run.released = report.claims, report.released
        run.save(update_fields=["claims", "released"])
        if now < cut:
            run.delete()
    return report


def release_tier_a(
    *, claimed_before: datetime, actor: str, reason: str, now: datetime, only_watchlists: bool = False
) -> EndOfDayReport:
    """Release all tier-A claims made before a moment, or those of watchlists alone, one audit row each.

    The spots that they alone needed go with them. Raises PlacementBusy.
    """
    with placement(now=now):
        taken = _claims_before(claimed_before, None)
        if only_watchlists:
            taken = taken.filter(kind=ClaimKind.WATCHLIST)
        return _release(taken, Cause(reason, actor, now))


def cut_at(closes: date, segment: ExchangeSegment | None) -> datetime:
    """Return the moment before which a claim must have been made to go with that end of the day."""
    noon = datetime.combine(closes, time(12), tzinfo=IST)
    book = ORDINARY if segment is None else current_sessions(now=noon)
    return datetime.combine(closes, cut_of(segment, closes, book=book), tzinfo=IST)


def _claims_before(moment: datetime, segment: ExchangeSegment | None) -> QuerySet[Claim]:
    taken = Claim.objects.filter(tier=Tier.A, claimed_at__lt=moment).exclude(kind=ClaimKind.SPOT)
    if segment is None:
        return taken
    return taken.filter(Q(exchange_segment=segment) | Q(instrument__exchange_segment=segment))


def _release(taken: QuerySet[Claim], cause: Cause) -> EndOfDayReport:
    owners = dict(taken.values_list("pk", "user_id"))
    outcome = release(list(owners), cause=cause)
    users = frozenset(user_id for user_id in owners.values() if user_id is not None)
    return EndOfDayReport(outcome.claims, outcome.released, outcome.kept, users)
