"""Claims with the names of their traders: for staff only, before an action."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Count

from subscriptions.models import ClaimLeg


@dataclass(frozen=True, slots=True)
class ClaimTotals:
    """Number of claims of one user, and of the instruments that they hold."""

    username: str
    claims: int
    legs: int


@dataclass(frozen=True, slots=True)
class Claimants:
    """Number of claims on one subscription, and the first few of their traders by name."""

    claims: int
    users: tuple[str, ...]
    has_more: bool


@dataclass(frozen=True, slots=True)
class AffectedChain:
    """One chain or instrument with all its tier-A claims: the unit of eviction and pinning."""

    subject: str
    users: tuple[str, ...]
    claims: int
    legs: int
    is_pinned: bool


@dataclass(frozen=True, slots=True)
class Affected:
    """The chains that an action of staff concerns; `freed` instruments would stop streaming if all were evicted."""

    chains: Sequence[AffectedChain]
    freed: int

    @property
    def users(self) -> Sequence[str]:
        """The traders concerned, once each."""
        return sorted({name for chain in self.chains for name in chain.users})


# All claims of one chain hold the same legs, so those of the first are counted.
_LIST_CHAINS = """
SELECT
    array_agg(claim.id),
    max(coalesce(instrument.token, claim.underlying_symbol || to_char(claim.expiry, ' DD Mon YYYY x') || claim.width))
        AS subject,
    array_agg(DISTINCT claim.user_id),
    (SELECT count(*) FROM claim_legs AS leg WHERE leg.claim_id = min(claim.id)),
    bool_or(claim.is_pinned)
FROM claims AS claim
LEFT JOIN instruments AS instrument ON instrument.id = claim.instrument_id
WHERE claim.tier = 'A' AND claim.kind <> 'spot'
GROUP BY claim.exchange_segment, claim.underlying_symbol, claim.expiry, claim.width, claim.instrument_id
HAVING bool_or(claim.id = ANY(%s))
ORDER BY subject
"""

# LIMIT inside the array: a popular subscription has thousands of claims, and the list names a few.
_LIST_CLAIMANTS = """
SELECT
    shown.id,
    (SELECT count(*) FROM claim_legs AS leg WHERE leg.subscription_id = shown.id),
    ARRAY(
        SELECT claim.user_id FROM claim_legs AS leg JOIN claims AS claim ON claim.id = leg.claim_id
        WHERE leg.subscription_id = shown.id AND claim.user_id IS NOT NULL GROUP BY claim.user_id
        ORDER BY claim.user_id LIMIT %s
    )
FROM unnest(%s::bigint[]) AS shown (id)
"""

# Distinct subscriptions that no other claim holds: chains may share legs.
_COUNT_FREED = """
SELECT count(DISTINCT leg.subscription_id) FROM claim_legs AS leg
WHERE leg.claim_id = ANY(%s) AND NOT EXISTS (
    SELECT FROM claim_legs AS other WHERE other.subscription_id = leg.subscription_id AND NOT other.claim_id = ANY(%s)
)
"""


def list_claim_totals(*, user_ids: Collection[int]) -> Sequence[ClaimTotals]:
    """Return the claim totals of these users, by name."""
    users = get_user_model().objects.filter(pk__in=user_ids)
    counted = users.annotate(claim_count=Count("claims", distinct=True), leg_count=Count("claims__legs"))
    rows = counted.order_by("username").values_list("username", "claim_count", "leg_count")
    return [ClaimTotals(*row) for row in rows]


def list_claimants(*, subscription_ids: Collection[int], named: int) -> Mapping[int, Claimants]:
    """Return the claimants of these subscriptions, at most `named` of each by name, in two queries."""
    with connection.cursor() as cursor:
        cursor.execute(_LIST_CLAIMANTS, [named + 1, list(subscription_ids)])
        rows = cursor.fetchall()
    # Names come in one query for all rows, not by a join that repeats them.
    names = _names({user_id for _, _, holders in rows for user_id in holders})
    return {
        subscription_id: Claimants(claims, tuple(names[one] for one in holders[:named]), len(holders) > named)
        for subscription_id, claims, holders in rows
    }


def count_legs(*, claim_ids: Collection[int]) -> Mapping[int, int]:
    """Return the number of legs of each of these claims."""
    legs = ClaimLeg.objects.filter(claim__in=claim_ids).values_list("claim")
    return dict(legs.annotate(count=Count("pk")))


def list_affected(*, claim_ids: Collection[int]) -> Affected:
    """Return the chains that these claims belong to, each with all its claimants, in three queries."""
    with connection.cursor() as cursor:
        cursor.execute(_LIST_CHAINS, [list(claim_ids)])
        rows = cursor.fetchall()
        all_ids = [claim_id for claims, *_ in rows for claim_id in claims]
        cursor.execute(_COUNT_FREED, [all_ids, all_ids])
        (freed,) = cursor.fetchone() or (0,)
    names = _names({user_id for _, _, holders, _, _ in rows for user_id in holders if user_id is not None})
    chains = [
        AffectedChain(
            subject=subject,
            users=tuple(sorted(names[user_id] for user_id in holders if user_id in names)),
            claims=len(claims),
            legs=legs,
            is_pinned=is_pinned,
        )
        for claims, subject, holders, legs, is_pinned in rows
    ]
    return Affected(chains, freed)


def _names(user_ids: Collection[int]) -> Mapping[int, str]:
    return dict(get_user_model().objects.filter(pk__in=user_ids).values_list("pk", "username"))
