"""What tier B held an hour ago, and held items that vanished from the list: both from the audit log and the claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from marketdata import selectors as market_selectors
from subscriptions.domain.claims import LogAction, LogReason

COMPARED_WITH: Final = timedelta(hours=1)
# Chosen: until the import of the next morning.
VANISHED_WITHIN: Final = timedelta(hours=24)
# Actions that change which items tier B holds. Recentring is none: where the listing ends, it makes a window shorter.
_CHANGES: Final = [
    LogAction.SUBSCRIBE.value,
    LogAction.UNSUBSCRIBE.value,
    LogAction.REPAIR.value,
    LogAction.FOLLOW.value,
]
# Releases that an import can cause.
_RELEASES: Final = [LogReason.NOT_LISTED.value, LogReason.PRELOAD_ENDED.value]

# The legs of a log row are those gained, then those lost. An instrument that is in both sets was held before if it is
# held now. Contracts that expired since are no loss.
_HELD: Final = """
WITH changes AS MATERIALIZED (
    SELECT coalesce((counts->>'subscribed')::int, 0) + coalesce((counts->>'shared')::int, 0) AS gained, legs
    FROM subscription_log WHERE at > %(since)s AND tier = 'B' AND action = ANY(%(changes)s)
), gained AS MATERIALIZED (
    SELECT DISTINCT leg AS id FROM changes CROSS JOIN unnest(legs[:gained]) AS leg
), lost AS MATERIALIZED (
    SELECT DISTINCT leg AS id FROM changes CROSS JOIN unnest(legs[gained + 1:]) AS leg
), held AS MATERIALIZED (
    SELECT instrument_id AS id FROM subscriptions WHERE tier = 'B'
)
SELECT (SELECT count(*) FROM held),
    (SELECT count(*) FROM held JOIN gained USING (id) WHERE id NOT IN (SELECT id FROM lost)),
    (SELECT count(*) FROM lost JOIN instruments i USING (id) WHERE (i.expiry IS NULL OR i.expiry >= %(today)s)
        AND id NOT IN (SELECT id FROM held) AND id NOT IN (SELECT id FROM gained))
"""

_VANISHED: Final = """
SELECT l.subject FROM subscription_log l
WHERE l.at > %(since)s AND l.action = 'unsubscribe' AND l.reason = ANY(%(releases)s) AND EXISTS (
    SELECT FROM unnest(l.legs) AS leg JOIN instruments i ON i.id = leg
    WHERE NOT i.is_listed AND (i.expiry IS NULL OR i.expiry >= %(today)s)
)
UNION
SELECT i.token FROM subscriptions s JOIN instruments i ON i.id = s.instrument_id
WHERE NOT i.is_listed AND (i.expiry IS NULL OR i.expiry >= %(today)s)
ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class TierBHeld:
    """The number of instruments that tier B holds now, and held an hour ago without those that expired since."""

    now: int
    hour_ago: int


def get_tier_b_held(*, now: datetime) -> TierBHeld:
    """Return how many instruments tier B holds, and held an hour before `now`."""
    since, today = now - COMPARED_WITH, market_selectors.market_today()
    with connection.cursor() as cursor:
        cursor.execute(_HELD, {"since": since, "today": today, "changes": _CHANGES})
        held, gained, lost = cursor.fetchone()
    return TierBHeld(held, held - gained + lost)


def list_vanished(*, now: datetime) -> Sequence[str]:
    """Return the items that left the list before their end date while they were held, in the day before `now`."""
    since, today = now - VANISHED_WITHIN, market_selectors.market_today()
    with connection.cursor() as cursor:
        cursor.execute(_VANISHED, {"since": since, "today": today, "releases": _RELEASES})
        return [subject for (subject,) in cursor.fetchall()]
