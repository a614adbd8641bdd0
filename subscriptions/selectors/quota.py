"""What counts against the quota of one trader, and for which claims.

The quota limits the instruments that stream because of this trader (`services.claims.quota`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from django.db import connection

from accounts import selectors as accounts
from subscriptions.domain.claims import ClaimKind
from subscriptions.domain.quota import QuotaUse

# Whether a claim would keep its instruments streaming without this trader; a spot does so for the chains of traders
# and rules, not for views. A spot of tier B may wait for its chain.
_LASTS: Final = """(
    claim.kind NOT IN ('view', 'spot') OR claim.kind = 'spot' AND (
        claim.tier = 'B' OR EXISTS (SELECT FROM claims AS chain WHERE chain.spot_id = claim.id AND chain.kind <> 'view')
    )
)"""

# The legs that count against the quota. Of several traders, the one with the oldest claim is counted: then two who
# claim the same instruments cannot count for none of them. OFFSET 0: one index look-up for each leg, as in
# `placement.legs`.
_COUNTED: Final = f"""
    SELECT mine.id, leg.subscription_id
    FROM claims AS mine JOIN claim_legs AS leg ON leg.claim_id = mine.id
    WHERE mine.user_id = %(user)s AND mine.tier = 'A' AND NOT EXISTS (
        SELECT FROM claim_legs AS other JOIN claims AS claim ON claim.id = other.claim_id
        WHERE other.subscription_id = leg.subscription_id AND (
            claim.tier = 'B' OR claim.user_id <> mine.user_id AND claim.id < mine.id OR claim.kind = 'spot' AND {_LASTS}
        ) OFFSET 0
    )
"""  # noqa: S608  Constants of this module.

_READ_USE: Final = f"""
SELECT (SELECT count(DISTINCT subscription_id) FROM ({_COUNTED}) AS counted), ARRAY(
    SELECT instrument_id FROM subscriptions AS subscription
    WHERE instrument_id = ANY(%(asked)s) AND EXISTS (
        SELECT FROM claim_legs AS leg JOIN claims AS claim ON claim.id = leg.claim_id
        WHERE leg.subscription_id = subscription.id AND {_LASTS} OFFSET 0
    )
)
"""  # noqa: S608  Constants of this module.

_LIST_CLAIMS: Final = f"""
WITH counted AS (SELECT id, count(*) AS legs FROM ({_COUNTED}) AS one GROUP BY id)
SELECT claim.kind, coalesce(instrument.token, claim.underlying_symbol), claim.expiry, claim.width,
    (SELECT count(*) FROM claim_legs AS leg WHERE leg.claim_id = claim.id), coalesce(counted.legs, 0) AS counted
FROM claims AS claim LEFT JOIN counted USING (id)
LEFT JOIN instruments AS instrument ON instrument.id = claim.instrument_id
WHERE claim.user_id = %(user)s AND claim.tier = 'A'
ORDER BY counted DESC, 2, 3, claim.id
"""  # noqa: S608  Constants of this module.


@dataclass(frozen=True, slots=True)
class QuotaClaim:
    """One claim of a trader: a chain with expiry and width in strikes, or one instrument with its token as name.

    `counted` of its `legs` count against the quota; the others stream anyway.
    """

    kind: ClaimKind
    name: str
    expiry: date | None
    width: int | None
    legs: int
    counted: int


def read_quota_use(*, user_id: int, asked: Collection[int] = ()) -> QuotaUse:
    """Return the quota of a trader, its use, and which of the instruments `asked` stream anyway; two queries."""
    quota = accounts.get_instrument_quota(user_id=user_id)
    with connection.cursor() as cursor:
        cursor.execute(_READ_USE, {"user": user_id, "asked": list(asked)})
        used, streaming = cursor.fetchone()
    return QuotaUse(quota, used, frozenset(streaming))


def list_quota_claims(*, user_id: int) -> Sequence[QuotaClaim]:
    """Return the claims of a trader, those that use most of the quota first; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_LIST_CLAIMS, {"user": user_id})
        return [QuotaClaim(ClaimKind(kind), *columns) for kind, *columns in cursor.fetchall()]
