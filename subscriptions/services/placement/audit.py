"""The audit rows of an act: one per claim, written in the transaction of the act."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connection, transaction

from subscriptions.domain.claims import LogAction, Tier
from subscriptions.models import Claim, SubscriptionLog
from subscriptions.services.placement.legs import LegChange

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuditedClaim:
    """A claim as the log names it."""

    claim_id: int
    tier: Tier
    subject: str
    viewed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an act happens, who caused it, and when."""

    reason: str
    actor: str
    now: datetime


def audited_claim(claim: Claim, *, token: str = "") -> AuditedClaim:
    """Return how the log names `claim`: a chain as "RELIANCE 24 Feb 2026 x25", an instrument by its token."""
    series = claim.series
    return AuditedClaim(
        claim.pk, Tier(claim.tier), f"{series} x{claim.width}" if series else token, claim.last_viewed_at
    )


def record(
    claims: Iterable[AuditedClaim],
    *,
    action: LogAction,
    cause: Cause,
    gained: Sequence[LegChange] = (),
    lost: Sequence[LegChange] = (),
) -> None:
    """Write one row for each of `claims`, of its own changes among those given."""
    gained_by, lost_by = _by_claim(gained), _by_claim(lost)
    SubscriptionLog.objects.bulk_create(
        [
            SubscriptionLog(
                at=cause.now,
                action=action,
                reason=cause.reason,
                actor=cause.actor,
                tier=claim.tier,
                subject=claim.subject,
                legs=[one.instrument_id for one in (*gained_by[claim.claim_id], *lost_by[claim.claim_id])],
                connections=_connections(gained_by[claim.claim_id], lost_by[claim.claim_id]),
                counts=_counts(action, gained_by[claim.claim_id], lost_by[claim.claim_id])
                | _idle(action, claim, cause),
            )
            for claim in claims
        ],
        batch_size=500,
    )


def _by_claim(changes: Iterable[LegChange]) -> Mapping[int, list[LegChange]]:
    grouped: dict[int, list[LegChange]] = defaultdict(list)
    for change in changes:
        grouped[change.claim_id].append(change)
    return grouped


def _connections(gained: Sequence[LegChange], lost: Sequence[LegChange]) -> dict[str, int]:
    numbers = Counter(change.connection for change in (*gained, *lost) if change.changes_streaming)
    return {str(number): numbers[number] for number in sorted(numbers)}


def _counts(action: LogAction, gained: Sequence[LegChange], lost: Sequence[LegChange]) -> dict[str, int]:
    counts = {"legs": len(gained) + len(lost)}
    if action in {LogAction.SUBSCRIBE, LogAction.RECENTRE, LogAction.REPAIR}:
        subscribed = sum(change.changes_streaming for change in gained)
        counts |= {"subscribed": subscribed, "shared": len(gained) - subscribed}
    if action in {LogAction.UNSUBSCRIBE, LogAction.RECENTRE, LogAction.EVICT, LogAction.REPAIR}:
        released = sum(change.changes_streaming for change in lost)
        counts |= {"released": released, "kept": len(lost) - released}
    return counts


def _idle(action: LogAction, claim: AuditedClaim, cause: Cause) -> dict[str, int]:
    """Return how long an evicted claim had not been viewed: what its turn was decided by."""
    if action is not LogAction.EVICT or claim.viewed_at is None:
        return {}
    return {"idle_seconds": int((cause.now - claim.viewed_at).total_seconds())}


MONTHS_AHEAD: Final = 3
# Dropping a month waits for readers of the log, and writers wait behind it: not for long, then it is tomorrow's work.
DROP_LOCK_TIMEOUT: Final = "1s"


def make_log_months(*, now: datetime) -> None:
    """Make the partitions of the log for this month and the coming ones; what stands is left as it is."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT subscription_log_make_month(%s + make_interval(months => n)) FROM generate_series(0, %s) AS n",
            [now, MONTHS_AHEAD],
        )


def drop_log_months(*, now: datetime) -> tuple[str, ...]:
    """Drop the months of the log that ended more than `AUDIT_KEEP_DAYS` ago, whole partitions; return their names.

    Never the current month or a later one. Raises OperationalError where readers are in the way.
    """
    keep_from = now - timedelta(days=settings.AUDIT_KEEP_DAYS)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [DROP_LOCK_TIMEOUT])
        cursor.execute("SELECT month FROM subscription_log_drop_months(%s) AS month", [keep_from])
        dropped = tuple(sorted(name for (name,) in cursor.fetchall()))
    if dropped:
        logger.info("dropped months of the audit log: %s", ", ".join(dropped))
    return dropped
