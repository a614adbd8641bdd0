"""The end of day for all watchlists, and clearing by staff.

Claims and entries are removed in one transaction; notices to browsers are sent after it.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from marketdata import notices
from marketdata.domain.instruments import ExchangeSegment
from subscriptions import services as subscriptions
from subscriptions.services.passes.end_of_day import cut_at
from watchlists.models import WatchlistEntry

logger = logging.getLogger(__name__)

# Reason in the audit log for releases by staff.
BY_STAFF = "STAFF_CLEANUP"


@dataclass(frozen=True, slots=True)
class RemovedEntries:
    """Number of entries removed from all watchlists together, and the release of claims that went with it."""

    entries: int
    release: subscriptions.Release


def close_past_days(*, actor: str, now: datetime) -> list[RemovedEntries]:
    """Run every end of day that is past and not yet done. Raises PlacementBusy."""
    return [
        end_of_day(closes=closes, segment=segment, actor=actor, now=now)
        for closes, segment in subscriptions.list_due_closings(now=now)
    ]


def end_of_day(*, closes: date, actor: str, now: datetime, segment: ExchangeSegment | None = None) -> RemovedEntries:
    """Release the claims of tier A and clear the entries made before the cut of `closes`; once per date.

    Only those of `segment` if one is given; otherwise all, with the cut at 15:30 IST. Entries with `keep` stay without
    their claim. Raises PlacementBusy.
    """
    cut = cut_at(closes, segment)
    with transaction.atomic():
        release = subscriptions.end_of_day(closes=closes, segment=segment, actor=actor, now=now)
        if release is None:
            return RemovedEntries(0, subscriptions.Release())
        # An entry made before the cut has lost its claim in the line above. An entry that was claimed again after the
        # cut has a claim, and stays.
        entries = _clear(_of(segment).filter(claim=None, keep=False, added_at__lt=cut), release.user_ids, closes)
    logger.info("end of day %s: %d entries removed, %d claims released", closes, entries, release.claims)
    return RemovedEntries(entries, release)


def release_all_tier_a(*, actor: str, now: datetime) -> subscriptions.Release:
    """Release all claims of tier A now, by staff; entries stay without a claim. Raises PlacementBusy."""
    with transaction.atomic():
        release = subscriptions.release_tier_a(claimed_before=now, actor=actor, reason=BY_STAFF, now=now)
        text = notices.notice("released", "Staff stopped all on-demand streaming.")
        notices.send_on_commit(sorted(release.user_ids), notices.WATCHLIST_CHANGED, text)
    return release


def clear_watchlists(*, actor: str, now: datetime) -> RemovedEntries:
    """Clear all watchlists now and release the claims of their entries, by staff. Raises PlacementBusy.

    Entries with `keep` are cleared too. Explicit chain claims, which have no entry, stay.
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


def _clear(entries: QuerySet[WatchlistEntry], losers: Collection[int], closes: date | None) -> int:
    """Delete these entries; notify their users and `losers`, who lost a claim. Return the number of entries."""
    receivers = {*losers, *entries.values_list("user_id", flat=True)}
    _, deleted = entries.delete()
    kind, why = ("end_of_day", f"End of day {closes:%d %b}") if closes else ("cleared", "By staff")
    text = notices.notice(kind, f"{why}: your watchlist was cleared.")
    notices.send_on_commit(sorted(receivers), notices.WATCHLIST_CHANGED, text)
    return deleted.get("watchlists.WatchlistEntry", 0)
