"""What the day does with all watchlists: its end clears them, its morning brings back what was kept.

Claims and entries go in one transaction; browsers are told after it.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from marketdata.domain.instruments import ExchangeSegment
from subscriptions import services as subscriptions
from subscriptions.services.passes.end_of_day import cut_at
from watchlists.models import WatchlistEntry
from watchlists.services.notices import send_on_commit

logger = logging.getLogger(__name__)

# The reason in the audit log of what staff release by hand.
BY_STAFF = "STAFF_CLEANUP"


@dataclass(frozen=True, slots=True)
class RemovedEntries:
    """Number of entries removed from all watchlists together, and the release of claims that went with it."""

    entries: int
    release: subscriptions.Release


def close_what_is_due(*, actor: str, now: datetime) -> list[RemovedEntries]:
    """Run every end of the day that is past and was not run yet. Raises PlacementBusy."""
    return [
        end_of_day(closes=closes, segment=segment, actor=actor, now=now)
        for closes, segment in subscriptions.list_due_closings(now=now)
    ]


def end_of_day(*, closes: date, actor: str, now: datetime, segment: ExchangeSegment | None = None) -> RemovedEntries:
    """Release tier A and clear the watchlists, as far as they were made before the cut of `closes`; once per date.

    Of one segment, or of all: then the cut is 15:30 IST. Kept entries stay, without their claim. Raises PlacementBusy.
    """
    cut = cut_at(closes, segment)
    with transaction.atomic():
        release = subscriptions.end_of_day(closes=closes, segment=segment, actor=actor, now=now)
        if release is None:
            return RemovedEntries(0, subscriptions.Release())
        # Whatever the cut released has no claim now; what came after it has one.
        entries = _clear(_of(segment).filter(claim=None, keep=False, added_at__lt=cut), release.user_ids, closes)
    logger.info("the end of %s took %d entries, %d claims", closes, entries, release.claims)
    return RemovedEntries(entries, release)


def release_all_tier_a(*, actor: str, now: datetime) -> subscriptions.Release:
    """Release all of tier A now, an act of staff: entries stay, without their claim. Raises PlacementBusy."""
    with transaction.atomic():
        release = subscriptions.release_tier_a(claimed_before=now, actor=actor, reason=BY_STAFF, now=now)
        send_on_commit(
            sorted(release.user_ids),
            {"type": "watchlist_changed"},
            {"type": "notice", "kind": "released", "text": "All live data on demand was switched off by staff."},
        )
    return release


def clear_watchlists(*, actor: str, now: datetime) -> RemovedEntries:
    """Clear all watchlists now with the claims of their entries, kept ones too, an act of staff. Raises PlacementBusy.

    Chains that were subscribed without an entry go on.
    """
    with transaction.atomic():
        release = subscriptions.release_tier_a(
            claimed_before=now, actor=actor, reason=BY_STAFF, now=now, only_watchlists=True
        )
        entries = _clear(WatchlistEntry.objects.filter(claim=None, added_at__lt=now), release.user_ids, None)
    return RemovedEntries(entries, release)


def _of(segment: ExchangeSegment | None) -> QuerySet[WatchlistEntry]:
    if segment is None:
        return WatchlistEntry.objects.all()
    return WatchlistEntry.objects.filter(Q(exchange_segment=segment) | Q(instrument__exchange_segment=segment))


def _clear(doomed: QuerySet[WatchlistEntry], losers: Collection[int], closes: date | None) -> int:
    """Delete these entries and tell their traders, and those who lost a claim with them."""
    told = {*losers, *doomed.values_list("user_id", flat=True)}
    _, deleted = doomed.delete()
    why = f"End of day {closes:%d %b}" if closes else "By staff"
    send_on_commit(
        sorted(told),
        {"type": "watchlist_changed"},
        {
            "type": "notice",
            "kind": "end_of_day" if closes else "cleared",
            "text": f"{why}: your watchlist was cleared.",
        },
    )
    return deleted.get("watchlists.WatchlistEntry", 0)
