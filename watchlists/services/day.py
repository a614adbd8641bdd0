"""What the day does with all watchlists: its end clears them.

Claims and entries go in one transaction; browsers are told after it.
"""

from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from marketdata.selectors import IST
from subscriptions import services as subscriptions
from subscriptions.services.end_of_day import CUT
from watchlists.models import WatchlistEntry
from watchlists.services.telling import tell_on_commit


@dataclass(frozen=True, slots=True)
class Cleared:
    """What the end of a day took: entries off lists, claims of tier A, instruments that ceased to stream."""

    entries: int
    claims: int
    released: int


def end_of_day(*, closes: date, actor: str, now: datetime) -> Cleared:
    """Release tier A and clear the watchlists, as far as they were made before 15:30 IST of `closes`.

    Kept entries stay, without their claim. Running again for the same date takes nothing more. Raises PlacementBusy.
    """
    cut = datetime.combine(closes, CUT, tzinfo=IST)
    with transaction.atomic():
        losers = set(WatchlistEntry.objects.filter(claim__claimed_at__lt=cut).values_list("user_id", flat=True))
        report = subscriptions.end_of_day(closes=closes, actor=actor, now=now)
        # Whatever the cut released has no claim now; what came after it has one.
        doomed = WatchlistEntry.objects.filter(claim=None, keep=False, added_at__lt=cut)
        losers.update(doomed.values_list("user_id", flat=True))
        entries, _ = doomed.delete()
        tell_on_commit(
            sorted(losers),
            {"type": "watchlist_changed"},
            {"type": "notice", "kind": "end_of_day", "text": f"End of day {closes:%d %b}: your watchlist was cleared."},
        )
    return Cleared(entries, report.claims, report.released)
