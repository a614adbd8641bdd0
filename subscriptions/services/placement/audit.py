"""The audit log: one row per claim and action, written in the transaction of the action; and its monthly partitions."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import prefetch_related_objects

from marketdata import notices
from marketdata.domain.changes import Changes
from subscriptions.domain.claims import Cause, LegChange, LogAction
from subscriptions.models import Claim, SubscriptionLog

logger = logging.getLogger(__name__)

MONTHS_AHEAD: Final = 3  # chosen: a monthly task that fails twice in a row still leaves the next month in place
# DROP TABLE queues behind readers of the log, and writers queue behind the DROP. Chosen: a pause that no writer
# notices; on timeout the task tries again the next day.
DROP_LOCK_TIMEOUT: Final = "1s"
_BATCH_ROWS: Final = 500  # chosen: bounds one INSERT to about 5,000 parameters (10 columns a row)

_GAINING: Final = frozenset({LogAction.SUBSCRIBE, LogAction.RECENTRE, LogAction.REPAIR, LogAction.FOLLOW})
_LOSING: Final = frozenset(
    {LogAction.UNSUBSCRIBE, LogAction.RECENTRE, LogAction.EVICT, LogAction.REPAIR, LogAction.FOLLOW}
)
MAX_SUBJECT: Final = 128  # The length of the column.


def record(
    claims: Sequence[Claim],
    *,
    action: LogAction,
    cause: Cause,
    gained: Sequence[LegChange] = (),
    lost: Sequence[LegChange] = (),
    subjects: Mapping[int, str] | None = None,
) -> None:
    """Write one row for each of `claims` with the changes of that claim; publish after the commit what they touch.

    `subjects` has the subject by claim id where it is not the claim's present one.
    """
    # One query for the tokens of all claims on instruments; none for instruments that the caller has loaded.
    prefetch_related_objects([claim for claim in claims if claim.instrument_id is not None], "instrument")
    gained_by, lost_by = _group_by_claim(gained), _group_by_claim(lost)
    rows = [
        SubscriptionLog(
            at=cause.now,
            action=action,
            reason=cause.reason,
            actor=cause.actor,
            tier=claim.tier,
            subject=(subjects or {}).get(claim.pk, claim.subject)[:MAX_SUBJECT],
            legs=[one.instrument_id for one in (*gained_by[claim.pk], *lost_by[claim.pk])],
            connections=_count_by_connection((*gained_by[claim.pk], *lost_by[claim.pk])),
            counts=_counts(action, gained_by[claim.pk], lost_by[claim.pk]) | _idle(action, claim, cause),
        )
        for claim in claims
    ]
    SubscriptionLog.objects.bulk_create(rows, batch_size=_BATCH_ROWS)
    # Every change of placement is audited, so none of them is missing for the viewers.
    notices.publish_on_commit(
        Changes(
            series=frozenset(series for claim in claims if (series := claim.series) is not None),
            instruments=frozenset(one.instrument_id for one in (*gained, *lost) if one.changes_streaming),
        )
    )


def _group_by_claim(changes: Iterable[LegChange]) -> Mapping[int, list[LegChange]]:
    grouped: dict[int, list[LegChange]] = defaultdict(list)
    for change in changes:
        grouped[change.claim_id].append(change)
    return grouped


def _count_by_connection(changes: Sequence[LegChange]) -> dict[str, int]:
    numbers = Counter(change.connection for change in changes if change.changes_streaming)
    return {str(number): numbers[number] for number in sorted(numbers)}


def _counts(action: LogAction, gained: Sequence[LegChange], lost: Sequence[LegChange]) -> dict[str, int]:
    counts = {"legs": len(gained) + len(lost)}
    if action in _GAINING:
        subscribed = sum(change.changes_streaming for change in gained)
        counts |= {"subscribed": subscribed, "shared": len(gained) - subscribed}
    if action in _LOSING:
        released = sum(change.changes_streaming for change in lost)
        counts |= {"released": released, "kept": len(lost) - released}
    return counts


def _idle(action: LogAction, claim: Claim, cause: Cause) -> dict[str, int]:
    """Return the seconds since the last view of an evicted claim: the criterion that selected it."""
    if action is not LogAction.EVICT:
        return {}
    return {"idle_seconds": int((cause.now - claim.last_viewed_at).total_seconds())}


# From the first of the month in IST: three months after 29 November is 28 February in UTC, but may be March in IST.
_MAKE_MONTHS: Final = """
SELECT subscription_log_make_month(
    (date_trunc('month', %s AT TIME ZONE 'Asia/Kolkata') + make_interval(months => n)) AT TIME ZONE 'Asia/Kolkata'
) FROM generate_series(0, %s) AS n
"""


def make_log_months(*, now: datetime) -> None:
    """Create the partitions of the log for this month and the next `MONTHS_AHEAD`; existing ones stay unchanged."""
    with connection.cursor() as cursor:
        cursor.execute(_MAKE_MONTHS, [now, MONTHS_AHEAD])


def drop_log_months(*, now: datetime) -> tuple[str, ...]:
    """Drop the partitions that ended more than `AUDIT_KEEP_DAYS` ago; return their names.

    Never drops the current month or a later one. Raises OperationalError if readers hold a lock for too long.
    """
    keep_from = now - timedelta(days=settings.AUDIT_KEEP_DAYS)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [DROP_LOCK_TIMEOUT])
        cursor.execute("SELECT month FROM subscription_log_drop_months(%s) AS month", [keep_from])
        dropped = tuple(sorted(name for (name,) in cursor.fetchall()))
    if dropped:
        logger.info("dropped partitions of the audit log: %s", ", ".join(dropped))
    return dropped
