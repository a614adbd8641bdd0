"""The end of the day: tier A goes, tier B stays.

A run belongs to the date it closes and takes only what was claimed before that date's cut, so one that fires late
takes nothing of a later day. Watchlists are cleared by their own app, in the same transaction.
"""

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

from marketdata.selectors import IST
from subscriptions.domain.claims import ClaimKind, LogReason, Tier
from subscriptions.models import Claim
from subscriptions.services.audit import Cause
from subscriptions.services.lock import placement
from subscriptions.services.release import release

CUT: Final = time(15, 30)  # IST, as commissioned


@dataclass(frozen=True, slots=True)
class EndOfDayReport:
    """What a release of tier A took: claims, instruments that ceased to stream, legs that others hold."""

    claims: int
    released: int
    kept: int


def end_of_day(*, closes: date, actor: str, now: datetime) -> EndOfDayReport:
    """Release all tier-A claims made before 15:30 IST of `closes`. Raises PlacementBusy."""
    return release_tier_a(
        claimed_before=datetime.combine(closes, CUT, tzinfo=IST), actor=actor, reason=LogReason.EOD_CLEANUP, now=now
    )


def release_tier_a(*, claimed_before: datetime, actor: str, reason: str, now: datetime) -> EndOfDayReport:
    """Release all tier-A claims made before a moment, one audit row each, with the spots that they alone needed."""
    with placement(now=now):
        taken = Claim.objects.filter(tier=Tier.A, claimed_at__lt=claimed_before).exclude(kind=ClaimKind.SPOT)
        outcome = release(list(taken.values_list("pk", flat=True)), cause=Cause(reason, actor, now))
        return EndOfDayReport(outcome.claims, outcome.released, outcome.kept)
