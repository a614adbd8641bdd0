"""The audit rows of an act: one per claim, written in the transaction of the act."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from subscriptions.domain.claims import LogAction, Tier
from subscriptions.models import Claim, SubscriptionLog
from subscriptions.services.legs import LegChange


@dataclass(frozen=True, slots=True)
class Holder:
    """A claim as the log names it."""

    claim_id: int
    tier: Tier
    subject: str


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an act happens, who caused it, and when."""

    reason: str
    actor: str
    now: datetime


def holder_of(claim: Claim, *, token: str = "") -> Holder:
    """Return how the log names `claim`: a chain as "RELIANCE 24 Feb 2026 x25", an instrument by its token."""
    series = claim.series
    return Holder(claim.pk, Tier(claim.tier), f"{series} x{claim.width}" if series else token)


def record(
    holders: Iterable[Holder],
    *,
    action: LogAction,
    cause: Cause,
    gained: Sequence[LegChange] = (),
    lost: Sequence[LegChange] = (),
) -> None:
    """Write one row for each of `holders`, of its own changes among those given."""
    gained_by, lost_by = _by_claim(gained), _by_claim(lost)
    SubscriptionLog.objects.bulk_create(
        [
            SubscriptionLog(
                at=cause.now,
                action=action,
                reason=cause.reason,
                actor=cause.actor,
                tier=holder.tier,
                subject=holder.subject,
                legs=[one.instrument_id for one in (*gained_by[holder.claim_id], *lost_by[holder.claim_id])],
                connections=_connections(gained_by[holder.claim_id], lost_by[holder.claim_id]),
                counts=_counts(action, gained_by[holder.claim_id], lost_by[holder.claim_id]),
            )
            for holder in holders
        ],
        batch_size=500,
    )


def _by_claim(changes: Iterable[LegChange]) -> Mapping[int, list[LegChange]]:
    grouped: dict[int, list[LegChange]] = defaultdict(list)
    for change in changes:
        grouped[change.claim_id].append(change)
    return grouped


def _connections(gained: Sequence[LegChange], lost: Sequence[LegChange]) -> dict[str, int]:
    numbers = Counter(change.connection for change in (*gained, *lost) if change.turns)
    return {str(number): numbers[number] for number in sorted(numbers)}


def _counts(action: LogAction, gained: Sequence[LegChange], lost: Sequence[LegChange]) -> dict[str, int]:
    counts = {"legs": len(gained) + len(lost)}
    if action is not LogAction.UNSUBSCRIBE:
        subscribed = sum(change.turns for change in gained)
        counts |= {"subscribed": subscribed, "shared": len(gained) - subscribed}
    if action is not LogAction.SUBSCRIBE:
        released = sum(change.turns for change in lost)
        counts |= {"released": released, "kept": len(lost) - released}
    return counts


MONTHS_AHEAD: Final = 3


def make_log_months(*, now: datetime) -> None:
    """Make the partitions of the log for this month and the coming ones; what stands is left as it is."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT subscription_log_make_month(%s + make_interval(months => n)) FROM generate_series(0, %s) AS n",
            [now, MONTHS_AHEAD],
        )
