"""What uses the quota of one trader."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from django.db import connection

from accounts import selectors as accounts
from subscriptions.domain.claims import ClaimKind

# Counted as the quota is (`services.claims.quota`): distinct instruments of the trader's own claims in tier A. The
# first row has the total, so that one statement answers both questions.
_LIST_USED: Final = """
WITH held AS (
    SELECT claim.id, leg.subscription_id FROM claims AS claim JOIN claim_legs AS leg ON leg.claim_id = claim.id
    WHERE claim.user_id = %s AND claim.tier = 'A'
)
SELECT NULL, NULL, NULL::date, NULL, (SELECT count(DISTINCT subscription_id) FROM held)
UNION ALL (
    SELECT claim.kind, coalesce(instrument.token, claim.underlying_symbol), claim.expiry, claim.width, counted.legs
    FROM (SELECT id, count(*) AS legs FROM held GROUP BY id) AS counted
    JOIN claims AS claim USING (id) LEFT JOIN instruments AS instrument ON instrument.id = claim.instrument_id
    ORDER BY counted.legs DESC, 2, 3, claim.id
)
"""


@dataclass(frozen=True, slots=True)
class UsedBy:
    """One claim of a trader: a chain with expiry and width in strikes, or one instrument with its token as name."""

    kind: ClaimKind
    name: str
    expiry: date | None
    width: int | None
    legs: int


@dataclass(frozen=True, slots=True)
class QuotaUsage:
    """Instruments of a trader. An instrument that several claims hold counts once in `used`."""

    quota: int
    used: int
    claims: Sequence[UsedBy]

    @property
    def left(self) -> int:
        """Instruments that the trader may still add; 0 also where staff lowered the quota below the use."""
        return max(0, self.quota - self.used)


def get_quota_usage(*, user_id: int) -> QuotaUsage:
    """Return the quota of a trader and what uses it, the largest first, in two queries."""
    quota = accounts.get_instrument_quota(user_id=user_id)
    with connection.cursor() as cursor:
        cursor.execute(_LIST_USED, [user_id])
        (*_, used), *rows = cursor.fetchall()
    return QuotaUsage(quota, used, [UsedBy(ClaimKind(kind), *row) for kind, *row in rows])
