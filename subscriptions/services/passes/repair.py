"""Integrity check: compare claims with subscriptions, loads, sent sets and the last-value cache; repair the rows.

Claims are the source of truth: a repair removes nothing that a claim needs. Rows are compared and repaired under the
placement lock in one transaction, logged with the reason REPAIR; a second repair finds nothing. Sent sets and the
last-value cache are only compared: connection owners reconcile those continuously, and are nudged after a repair.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from marketdata import selectors as market_selectors
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.selectors import Price
from subscriptions.domain.claims import Cause, ClaimKind, LogAction, LogReason, Tier
from subscriptions.models import Claim, ClaimLeg, Subscription, SubscriptionLog
from subscriptions.selectors import compare_board
from subscriptions.services.claims import spots
from subscriptions.services.claims.release import release
from subscriptions.services.passes.contract_review import review_claims
from subscriptions.services.passes.follow_contracts import apply_review, list_spot_prices
from subscriptions.services.placement import audit, legs
from subscriptions.services.placement.legs import CapacityExceeded
from subscriptions.services.placement.lock import nudge_owners_on_commit, placement


@dataclass(frozen=True, slots=True)
class Difference:
    """One inconsistency, described for an operator."""

    text: str
    is_repaired: bool = False
    is_of_owners: bool = False  # reconciled by the connection owners, not by a repair

    def __str__(self) -> str:
        return f"{self.text} (repaired)" if self.is_repaired else self.text


# Only listed instruments have a key of their own. Two rows with one key on one connection share one stream: the
# broker's packets reach the newer row, and the other one stands still.
_SHARED_KEYS: Final = """
SELECT instrument.exchange_segment, instrument.security_id, count(*) FROM subscriptions AS subscription
JOIN instruments AS instrument ON instrument.id = subscription.instrument_id
GROUP BY instrument.exchange_segment, instrument.security_id HAVING count(*) > 1 ORDER BY 1, 2
"""

# An instrument that moves counts on both connections, as in the triggers.
_COUNT_LOADS: Final = """
SELECT one.number, one.load, count(moving.id) FROM feed_connections AS one
LEFT JOIN subscriptions AS moving ON one.number IN (moving.connection_id, moving.leaving_connection_id)
GROUP BY one.number HAVING one.load <> count(moving.id) ORDER BY one.number
"""

# max() over text: tier B wins over A (`domain.claims.Tier`).
_WRONG_TIERS: Final = """
SELECT subscription.id, max(claim.tier) FROM subscriptions AS subscription
JOIN claim_legs AS leg ON leg.subscription_id = subscription.id JOIN claims AS claim ON claim.id = leg.claim_id
GROUP BY subscription.id HAVING subscription.tier <> max(claim.tier)
"""

# The same rule as `domain.claims.mode_of`.
_WRONG_MODES: Final = """
SELECT subscription.id, right_one.mode FROM subscriptions AS subscription
JOIN instruments AS instrument ON instrument.id = subscription.instrument_id
CROSS JOIN LATERAL (
    SELECT CASE WHEN instrument.instrument_type = 'INDEX' THEN 'ticker' ELSE 'full' END AS mode
) AS right_one
WHERE subscription.mode <> right_one.mode
"""

_SET_COLUMN: Final = """
UPDATE subscriptions AS wrong SET {column} = repaired.value
FROM unnest(%s::bigint[], %s::varchar[]) AS repaired (id, value) WHERE wrong.id = repaired.id
RETURNING wrong.instrument_id
"""


def check(*, repair: bool, actor: str, now: datetime) -> list[Difference]:
    """Return every difference; with `repair`, repair those that can be repaired. Raises PlacementBusy."""
    cause = Cause(LogReason.REPAIR, actor, now)
    # Before the lock, because it may ask the broker.
    prices = list_spot_prices(review_claims(), now=now) if repair else {}
    with placement(now=now):
        # First, because legs and spots are compared with the listing.
        found = [*_check_keys(repair=repair), *_check_contracts(prices, cause, repair=repair)]
        # In this order: legs need the spots of their chains, and columns follow from the legs.
        for look in (_check_loads, _check_spots, _check_legs, _check_idle_spots, _check_unheld, _check_columns):
            found += look(cause, repair=repair)
        if repair and any(one.is_repaired for one in found):
            nudge_owners_on_commit()
    return [*found, *check_owners()]


def check_owners() -> list[Difference]:
    """Return the differences of sent sets and last-value cache; without a lock, so changes under way show too."""
    return [Difference(text, is_of_owners=True) for text in compare_board()]


def _check_keys(*, repair: bool) -> list[Difference]:
    """Find keys that several subscribed instruments share; the repair of contracts and legs leaves one of each."""
    with connection.cursor() as cursor:
        cursor.execute(_SHARED_KEYS)
        rows = cursor.fetchall()
    keys = ((InstrumentKey(ExchangeSegment(segment), number), count) for segment, number, count in rows)
    return [Difference(f"{key} is subscribed as {count} instruments", repair) for key, count in keys]


def _check_contracts(prices: Mapping[int, Price], cause: Cause, *, repair: bool) -> list[Difference]:
    """Find claims of items that are not listed any more, or whose spot is another instrument now."""
    review = review_claims()
    if repair and review.changes:
        apply_review(review, prices, actor=cause.actor, now=cause.now)
    return [Difference(str(change), repair) for change in review.changes]


def _check_loads(cause: Cause, *, repair: bool) -> list[Difference]:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_LOADS)
        rows = cursor.fetchall()
        if rows and repair:
            # Only this function may set a load: a trigger refuses other writers.
            cursor.execute("SELECT count(*) FROM subscriptions_recount_loads()")
    for number, was, load in rows if repair else []:
        _record(f"load of connection {number}", [], cause, was=was, load=load)
    return [
        Difference(f"connection {number} has load {was}, but {load} subscriptions", repair)
        for number, was, load in rows
    ]


def _check_spots(cause: Cause, *, repair: bool) -> list[Difference]:
    """Find chains without a spot claim of their tier; the leg of that claim is checked with the legs."""
    chains = Claim.objects.filter(expiry__isnull=False).select_related("spot").order_by("pk")
    lacking = [
        claim
        for claim in chains
        if claim.spot is None or claim.spot.kind != ClaimKind.SPOT or claim.spot.tier != claim.tier
    ]
    listings = market_selectors.list_series(keys={claim.series for claim in lacking if claim.series})
    found = []
    for claim in lacking:
        listing = listings.get(claim.series) if claim.series else None
        if repair and listing is not None:
            known, _ = spots.find_or_create_spots([listing.spot_instrument_id], tier=Tier(claim.tier), now=cause.now)
            Claim.objects.filter(pk=claim.pk).update(spot=known[listing.spot_instrument_id])
        found.append(Difference(f"{_name(claim)} has no spot of its own tier", repair and listing is not None))
    return found


def _check_legs(cause: Cause, *, repair: bool) -> list[Difference]:
    claims = list(Claim.objects.select_related("instrument").order_by("pk"))
    held: dict[int, set[int]] = {claim.pk: set() for claim in claims}
    for claim_id, instrument_id in ClaimLeg.objects.values_list("claim_id", "subscription__instrument_id"):
        held[claim_id].add(instrument_id)
    wanted_legs = _list_wanted_legs(claims)
    found = []
    for claim in claims:
        wanted = wanted_legs.get(claim.pk)
        # A repair never guesses: without a window the right legs are unknown, and the claim keeps its legs.
        if wanted is None:
            found.append(Difference(f"{_name(claim)} has no window, and no listing to calculate one from"))
            continue
        lacks, extra = [one for one in wanted if one not in held[claim.pk]], held[claim.pk].difference(wanted)
        if lacks or extra:
            text = f"{_name(claim)} lacks {len(lacks)} of its legs and holds {len(extra)} extra ones"
            found.append(_repair_legs(claim, lacks, sorted(extra), text, cause) if repair else Difference(text))
    return found


def _list_wanted_legs(claims: Sequence[Claim]) -> Mapping[int, Sequence[int]]:
    """Return the legs of each claim, by claim id: its instrument, or the legs of its window as last calculated."""
    wanted: dict[int, Sequence[int]] = {one.pk: [one.instrument_id] for one in claims if one.instrument_id is not None}
    keys = {claim.pk: claim.window_key for claim in claims if claim.window_key is not None}
    listings = market_selectors.list_series(keys={key.series for key in keys.values()})
    inside = {
        key: listings[key.series].instrument_ids_in(window)
        for key, window in market_selectors.list_windows(keys=keys.values()).items()
        if key.series in listings
    }
    return wanted | {claim_id: inside[key] for claim_id, key in keys.items() if key in inside}


def _repair_legs(claim: Claim, lacks: Sequence[int], extra: Sequence[int], text: str, cause: Cause) -> Difference:
    tiers = {claim.pk: Tier(claim.tier)}
    # Without eviction: a repair takes nothing from other claims. A savepoint per claim keeps the other repairs.
    try:
        with transaction.atomic():
            lost = legs.remove({claim.pk: extra}, tiers=tiers.values(), held_next=lacks)
            gained = legs.add({claim.pk: lacks}, tiers=tiers) if lacks else ()
            audit.record([claim], action=LogAction.REPAIR, cause=cause, gained=gained, lost=lost)
    except CapacityExceeded as refusal:
        return Difference(f"{text}; they do not fit: {refusal}")
    return Difference(text, is_repaired=True)


def _check_idle_spots(cause: Cause, *, repair: bool) -> list[Difference]:
    # Tier A only: preload claims spots of tier B before their chains.
    idle = spots.list_idle_spots(tier=Tier.A)
    if idle and repair:
        release(idle, cause=cause, action=LogAction.REPAIR)
    return [Difference(f"claim {spot.pk} is a spot of tier A without a chain", repair) for spot in idle]


def _check_unheld(cause: Cause, *, repair: bool) -> list[Difference]:
    rows = Subscription.objects.filter(legs=None).select_related("instrument").order_by("pk")
    found = [Difference(f"{one.instrument.token} is subscribed, but no claim holds it", repair) for one in rows]
    if rows and repair:
        Subscription.objects.filter(pk__in=[one.pk for one in rows]).delete()
        _record("without a claim", [one.instrument_id for one in rows], cause, legs=len(rows), released=len(rows))
    return found


def _check_columns(cause: Cause, *, repair: bool) -> list[Difference]:
    """Find wrong tiers and modes: the tier follows from the claims, the mode from the type of the instrument."""
    found: list[Difference] = []
    for column, query in (("tier", _WRONG_TIERS), ("mode", _WRONG_MODES)):
        with connection.cursor() as cursor:
            cursor.execute(query)
            rows = cursor.fetchall()
            if rows and repair:
                # The column names are constants of the loop above, not input.
                cursor.execute(
                    _SET_COLUMN.format(column=column), [[pk for pk, _ in rows], [value for _, value in rows]]
                )
                _record(f"{column} of subscriptions", [one for (one,) in cursor.fetchall()], cause)
        found += [Difference(f"subscription {pk} has a wrong {column}, {value} is right", repair) for pk, value in rows]
    return found


def _record(subject: str, instrument_ids: Collection[int], cause: Cause, **counts: int) -> None:
    SubscriptionLog.objects.create(
        at=cause.now,
        action=LogAction.REPAIR,
        reason=cause.reason,
        actor=cause.actor,
        subject=subject,
        legs=sorted(instrument_ids),
        counts=counts or {"legs": len(instrument_ids)},
    )


def _name(claim: Claim) -> str:
    return f"claim {claim.pk} ({claim.subject})"
