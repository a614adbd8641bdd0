"""Legs of claims as sets, and the subscriptions that start and end with them.

Three statements add any number of legs to any number of claims, two remove them; the caller owns the placement lock
and the transaction. Triggers update the loads of connections. This module neither decides which instruments a claim
holds nor writes the audit log.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import InstrumentType
from subscriptions.domain.claims import LegChange, Tier, mode_of
from subscriptions.domain.quota import format_offer
from subscriptions.services.placement.slots import find_slots


@dataclass(frozen=True, slots=True)
class Shortage:
    """Instruments that would start to stream (`missing`) and do not fit: `free` of `capacity` slots are free."""

    missing: Collection[int]
    free: int
    capacity: int

    @property
    def shortfall(self) -> int:
        """Slots that must be freed."""
        return len(self.missing) - self.free


class CapacityExceeded(DomainError):
    """The instruments do not fit; nothing was changed. `room` counts the slots that are free or can be freed."""

    code = "capacity"

    def __init__(self, shortage: Shortage, *, freeable: int = 0, offer: int | None = None) -> None:
        self.shortage = shortage
        self.room = shortage.free + freeable
        needed, free, capacity = len(shortage.missing), shortage.free, shortage.capacity
        super().__init__(
            f"This needs {needed:,} more live instruments; {free:,} of {capacity:,} are free and {freeable:,} can be "
            f"freed.{format_offer(offer)}",
            needed=needed,
            free=free,
            freeable=freeable,
            capacity=capacity,
            offer_strikes=offer,
        )

    def offering(self, width: int | None) -> "CapacityExceeded":
        """Return the same refusal with the width of a narrower chain that fits."""
        return CapacityExceeded(self.shortage, freeable=self.room - self.shortage.free, offer=width)


MakeRoom = Callable[[Shortage], None]


@dataclass(frozen=True, slots=True)
class _Missing:
    instrument_id: int
    tier: str
    mode: str


# OFFSET 0 keeps PostgreSQL from joining a sub-query, so each leg finds its subscription by one index look-up.
# Otherwise the plan depends on statistics: for a table that was analyzed while empty (after an end of day) the planner
# compares every leg with every subscription; for a large table it reads all of it to find fifty legs.
_FIND_MISSING = """
SELECT wanted.instrument_id, max(wanted.tier),
    (SELECT instrument_type FROM instruments WHERE id = wanted.instrument_id)
FROM unnest(%s::varchar[], %s::bigint[]) WITH ORDINALITY AS wanted (tier, instrument_id, place)
WHERE NOT EXISTS (SELECT FROM subscriptions WHERE instrument_id = wanted.instrument_id OFFSET 0)
GROUP BY wanted.instrument_id
ORDER BY min(wanted.place)
"""

# Parallel arrays keep the statement's text the same for any number of rows: it is parsed once and has four parameters.
# `since` is the clock of now and not of the request, which may have waited for the broker and for the placement lock:
# health counts from it how long the owner of the connection has had the subscription.
_SUBSCRIBE = """
INSERT INTO subscriptions (instrument_id, connection_id, tier, mode, since)
SELECT placed.instrument_id, placed.connection_id, placed.tier, placed.mode, clock_timestamp()
FROM unnest(%s::bigint[], %s::smallint[], %s::varchar[], %s::varchar[])
    AS placed (instrument_id, connection_id, tier, mode)
"""

# ON CONFLICT: a claim may hold some of these legs already; RETURNING names only the new ones.
_ADD_LEGS = """
WITH wanted AS MATERIALIZED (
    SELECT wanted.claim_id, wanted.instrument_id, wanted.place, subscription.id AS subscription_id, connection_id
    FROM unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY AS wanted (claim_id, instrument_id, place)
    CROSS JOIN LATERAL (
        SELECT id, connection_id FROM subscriptions WHERE instrument_id = wanted.instrument_id OFFSET 0
    ) AS subscription
), held AS (
    INSERT INTO claim_legs (claim_id, subscription_id)
    SELECT claim_id, subscription_id FROM wanted ORDER BY place
    ON CONFLICT DO NOTHING
    RETURNING claim_id, subscription_id
)
SELECT claim_id, instrument_id, connection_id FROM wanted JOIN held USING (claim_id, subscription_id)
ORDER BY claim_id, subscription_id
"""

# A subscription is tier B as soon as one tier-B claim holds it; only upwards here, `_LOWER_TIER` is the way back.
_RAISE_TIER = """
UPDATE subscriptions AS subscription SET tier = 'B'
FROM claim_legs AS leg
WHERE leg.claim_id = ANY(%s) AND leg.subscription_id = subscription.id AND subscription.tier = 'A'
"""

# Shared tail of the two statements that delete legs: the subscriptions that lost one.
_SUBSCRIPTIONS_OF = """
SELECT claim_id, subscription.id, instrument_id, connection_id FROM gone CROSS JOIN LATERAL (
    SELECT id, instrument_id, connection_id FROM subscriptions WHERE id = gone.subscription_id OFFSET 0
) AS subscription
"""

_REMOVE_ALL = f"""
WITH gone AS (DELETE FROM claim_legs WHERE claim_id = ANY(%s) RETURNING claim_id, subscription_id)
{_SUBSCRIPTIONS_OF}
"""  # noqa: S608  Constants of this module.

_REMOVE = f"""
WITH gone AS (
    DELETE FROM claim_legs AS leg
    USING unnest(%s::bigint[], %s::bigint[]) AS lost (claim_id, instrument_id) CROSS JOIN LATERAL (
        SELECT id FROM subscriptions WHERE instrument_id = lost.instrument_id OFFSET 0
    ) AS subscription
    WHERE leg.claim_id = lost.claim_id AND leg.subscription_id = subscription.id
    RETURNING leg.claim_id, leg.subscription_id
)
{_SUBSCRIPTIONS_OF}
"""  # noqa: S608  Constants of this module.

# NOT EXISTS sees the legs deleted by the statement before, so a subscription goes with its last leg.
_UNSUBSCRIBE = """
DELETE FROM subscriptions AS subscription
WHERE subscription.id = ANY(%s) AND NOT subscription.instrument_id = ANY(%s)
    AND NOT EXISTS (SELECT FROM claim_legs AS leg WHERE leg.subscription_id = subscription.id OFFSET 0)
RETURNING subscription.id
"""

_UNSUBSCRIBE_UNHELD = """
DELETE FROM subscriptions AS subscription
WHERE subscription.instrument_id = ANY(%s)
    AND NOT EXISTS (SELECT FROM claim_legs AS leg WHERE leg.subscription_id = subscription.id OFFSET 0)
"""

_LOWER_TIER = """
UPDATE subscriptions AS subscription SET tier = 'A'
WHERE subscription.id = ANY(%s) AND subscription.tier = 'B' AND NOT EXISTS (
    SELECT FROM claim_legs AS leg JOIN claims AS claim ON claim.id = leg.claim_id
    WHERE leg.subscription_id = subscription.id AND claim.tier = 'B' OFFSET 0
)
"""


def add(
    wanted: Mapping[int, Sequence[int]], *, tiers: Mapping[int, Tier], make_room: MakeRoom | None = None
) -> Sequence[LegChange]:
    """Add instruments (ids by claim id) to what each claim holds; return the new legs, by claim.

    `tiers` has the tier of each claim. Instruments without a subscription get one, in the order given. If they do not
    fit, `make_room` frees the missing slots or raises. Raises CapacityExceeded.
    """
    claim_ids = [claim_id for claim_id, instruments in wanted.items() for _ in instruments]
    instrument_ids = [one for instruments in wanted.values() for one in instruments]
    with connection.cursor() as cursor:
        cursor.execute(_FIND_MISSING, [[tiers[one] for one in claim_ids], instrument_ids])
        missing = [_Missing(one, tier, mode_of(InstrumentType(kind))) for one, tier, kind in cursor.fetchall()]
        if missing:
            _subscribe(missing, make_room)
        cursor.execute(_ADD_LEGS, [claim_ids, instrument_ids])
        rows = cursor.fetchall()
        always_on = [claim_id for claim_id in wanted if tiers[claim_id] == Tier.B]
        if always_on:
            cursor.execute(_RAISE_TIER, [always_on])
    # Several claims may gain an instrument that starts to stream: the change is counted for the first of them alone.
    begun = {one.instrument_id for one in missing}
    changes = []
    for claim_id, instrument_id, number in rows:
        changes.append(LegChange(claim_id, instrument_id, number, changes_streaming=instrument_id in begun))
        begun.discard(instrument_id)
    return changes


def _subscribe(missing: Sequence[_Missing], make_room: MakeRoom | None) -> None:
    slots = find_slots(len(missing))
    if slots.left_out:
        shortage = Shortage(frozenset(one.instrument_id for one in missing), slots.free, slots.capacity)
        if make_room is None:
            raise CapacityExceeded(shortage)
        # The eviction runs in this transaction. If it cannot free enough it raises, and nothing has changed.
        make_room(shortage)
        slots = find_slots(len(missing))
    with connection.cursor() as cursor:
        cursor.execute(
            _SUBSCRIBE,
            [
                [one.instrument_id for one in missing],
                slots.numbers,
                [one.tier for one in missing],
                [one.mode for one in missing],
            ],
        )


def remove_all(claims: Mapping[int, Tier], *, held_next: Collection[int] = ()) -> Sequence[LegChange]:
    """Remove all legs of these claims; return them, by claim.

    Instruments that no claim holds any more are unsubscribed, except those in `held_next`: the caller adds them to
    other claims, and they keep streaming where they are.
    """
    with connection.cursor() as cursor:
        cursor.execute(_REMOVE_ALL, [list(claims)])
        rows = cursor.fetchall()
    return _end(rows, tiers=set(claims.values()), held_next=held_next)


def remove(
    lost: Mapping[int, Sequence[int]], *, tiers: Collection[Tier], held_next: Collection[int] = ()
) -> Sequence[LegChange]:
    """Remove these instruments (ids by claim id) from each claim, as `remove_all` does; `tiers` are theirs."""
    claim_ids = [claim_id for claim_id, instruments in lost.items() for _ in instruments]
    if not claim_ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_REMOVE, [claim_ids, [one for instruments in lost.values() for one in instruments]])
        rows = cursor.fetchall()
    return _end(rows, tiers=tiers, held_next=held_next)


def _end(
    rows: Sequence[tuple[int, int, int, int]], *, tiers: Collection[Tier], held_next: Collection[int]
) -> Sequence[LegChange]:
    """Unsubscribe the removed legs that no claim holds any more; lower the tier of those that only tier A holds."""
    rows = sorted(rows)
    touched = list({subscription_id for _, subscription_id, _, _ in rows})
    with connection.cursor() as cursor:
        cursor.execute(_UNSUBSCRIBE, [touched, list(held_next)])
        ended = {subscription_id for (subscription_id,) in cursor.fetchall()}
        # Only the loss of a tier-B claim can lower a tier; most releases are tier A and save the statement.
        if Tier.B in tiers:
            cursor.execute(_LOWER_TIER, [touched])
    # Several claims may lose an instrument that stops streaming: the change is counted for the last of them alone.
    changes = []
    for claim_id, subscription_id, instrument_id, number in reversed(rows):
        changes.append(LegChange(claim_id, instrument_id, number, changes_streaming=subscription_id in ended))
        ended.discard(subscription_id)
    return changes[::-1]


def unsubscribe_unheld(instrument_ids: Collection[int]) -> None:
    """Unsubscribe those of these instruments that no claim holds: kept as `held_next`, then not added after all."""
    with connection.cursor() as cursor:
        cursor.execute(_UNSUBSCRIBE_UNHELD, [list(instrument_ids)])
