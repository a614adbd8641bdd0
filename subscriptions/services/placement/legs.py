"""Legs as sets: what claims hold, and the subscriptions that come and go with it.

Three statements hold any number of legs of any number of claims, two let them go; all run under the placement
lock, inside the caller's transaction. Loads follow by trigger. Which instruments a claim should hold is not
decided here, and nothing is logged.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import InstrumentType
from subscriptions.domain.claims import Tier, mode_of
from subscriptions.domain.quota import format_offer
from subscriptions.services.placement.slots import find_slots


@dataclass(frozen=True, slots=True)
class Shortage:
    """What does not fit: instruments that would begin to stream, of `capacity` places `free` ones."""

    missing: Collection[int]
    free: int
    capacity: int

    @property
    def shortfall(self) -> int:
        """How many places are wanting."""
        return len(self.missing) - self.free


class CapacityExceeded(DomainError):
    """What was asked for does not fit; nothing was changed. `room` is the free places and those that may be freed."""

    status = 409
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


@dataclass(frozen=True, slots=True)
class LegChange:
    """A leg that a claim got or let go. `changes_streaming`: the instrument began or ended to stream with it."""

    claim_id: int
    instrument_id: int
    connection: int
    changes_streaming: bool


MakeRoom = Callable[[Shortage], None]


@dataclass(frozen=True, slots=True)
class _Missing:
    instrument_id: int
    tier: str
    mode: str


# Legs find their subscriptions by an index, one look-up each, whatever the planner believes of the tables: OFFSET 0
# keeps a sub-query from being joined. Where a table was analyzed while it was empty, as after an end of the day, the
# planner would compare every leg with every subscription; where it is large, read the whole of it for fifty legs.
_FIND_MISSING = """
SELECT wanted.instrument_id, max(wanted.tier),
    (SELECT instrument_type FROM instruments WHERE id = wanted.instrument_id)
FROM unnest(%s::varchar[], %s::bigint[]) WITH ORDINALITY AS wanted (tier, instrument_id, place)
WHERE NOT EXISTS (SELECT FROM subscriptions WHERE instrument_id = wanted.instrument_id OFFSET 0)
GROUP BY wanted.instrument_id
ORDER BY min(wanted.place)
"""

_SUBSCRIBE = """
INSERT INTO subscriptions (instrument_id, connection_id, tier, mode, since)
SELECT placed.instrument_id, placed.connection_id, placed.tier, placed.mode, %s
FROM unnest(%s::bigint[], %s::smallint[], %s::varchar[], %s::varchar[])
    AS placed (instrument_id, connection_id, tier, mode)
"""

_HOLD = """
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

_RAISE_TIER = """
UPDATE subscriptions AS subscription SET tier = 'B'
FROM claim_legs AS leg
WHERE leg.claim_id = ANY(%s) AND leg.subscription_id = subscription.id AND subscription.tier = 'A'
"""

_SUBSCRIPTIONS_OF = """
SELECT claim_id, subscription.id, instrument_id, connection_id FROM gone CROSS JOIN LATERAL (
    SELECT id, instrument_id, connection_id FROM subscriptions WHERE id = gone.subscription_id OFFSET 0
) AS subscription
"""

_LET_GO = f"""
WITH gone AS (DELETE FROM claim_legs WHERE claim_id = ANY(%s) RETURNING claim_id, subscription_id)
{_SUBSCRIPTIONS_OF}
"""  # noqa: S608  Constants of this module.

_TAKE = f"""
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

_UNSUBSCRIBE = """
DELETE FROM subscriptions AS subscription
WHERE subscription.id = ANY(%s) AND NOT subscription.instrument_id = ANY(%s)
    AND NOT EXISTS (SELECT FROM claim_legs AS leg WHERE leg.subscription_id = subscription.id OFFSET 0)
RETURNING subscription.id
"""

_END_UNHELD = """
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
    wanted: Mapping[int, Sequence[int]],
    *,
    tiers: Mapping[int, Tier],
    now: datetime,
    make_room: MakeRoom | None = None,
) -> Sequence[LegChange]:
    """Make each claim hold its instruments too; return the legs that are new, by claim.

    `wanted` is instrument ids by claim id, `tiers` the tier of each claim. Instruments that did not stream are placed
    in the order given; one that several claims get turns with the first of them. Where they do not fit, `make_room`
    frees the places that are wanting, or raises (`subscriptions.services.eviction`). Raises CapacityExceeded.
    """
    claim_ids = [claim_id for claim_id, instruments in wanted.items() for _ in instruments]
    instrument_ids = [one for instruments in wanted.values() for one in instruments]
    with connection.cursor() as cursor:
        cursor.execute(_FIND_MISSING, [[tiers[one] for one in claim_ids], instrument_ids])
        missing = [_Missing(one, tier, mode_of(InstrumentType(kind))) for one, tier, kind in cursor.fetchall()]
        if missing:
            _subscribe(missing, make_room, now=now)
        cursor.execute(_HOLD, [claim_ids, instrument_ids])
        rows = cursor.fetchall()
        always_on = [claim_id for claim_id in wanted if tiers[claim_id] == Tier.B]
        if always_on:
            cursor.execute(_RAISE_TIER, [always_on])
    begun = {one.instrument_id for one in missing}
    changes = []
    for claim_id, instrument_id, number in rows:
        changes.append(LegChange(claim_id, instrument_id, number, changes_streaming=instrument_id in begun))
        begun.discard(instrument_id)
    return changes


def _subscribe(missing: Sequence[_Missing], make_room: MakeRoom | None, *, now: datetime) -> None:
    slots = find_slots(len(missing))
    if slots.left_out:
        shortage = Shortage(frozenset(one.instrument_id for one in missing), slots.free, slots.capacity)
        if make_room is None:
            raise CapacityExceeded(shortage)
        make_room(shortage)
        slots = find_slots(len(missing))
    with connection.cursor() as cursor:
        cursor.execute(
            _SUBSCRIBE,
            [
                now,
                [one.instrument_id for one in missing],
                slots.numbers,
                [one.tier for one in missing],
                [one.mode for one in missing],
            ],
        )


def remove_all(claims: Mapping[int, Tier], *, held_next: Collection[int] = ()) -> Sequence[LegChange]:
    """Take the legs of `claims` away; return them, by claim.

    What nobody holds any more is unsubscribed, except the instruments in `held_next`: the caller is about to hold
    them again, and they stay where they stream. One that several claims let go turns with the last of them.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LET_GO, [list(claims)])
        rows = cursor.fetchall()
    return _end(rows, tiers=set(claims.values()), held_next=held_next)


def remove(
    lost: Mapping[int, Sequence[int]], *, tiers: Collection[Tier], held_next: Collection[int] = ()
) -> Sequence[LegChange]:
    """Take exactly these instruments from each claim (ids by claim id), as `remove_all` does; of claims in `tiers`."""
    claim_ids = [claim_id for claim_id, instruments in lost.items() for _ in instruments]
    if not claim_ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [claim_ids, [one for instruments in lost.values() for one in instruments]])
        rows = cursor.fetchall()
    return _end(rows, tiers=tiers, held_next=held_next)


def _end(
    rows: Sequence[tuple[int, int, int, int]], *, tiers: Collection[Tier], held_next: Collection[int]
) -> Sequence[LegChange]:
    """Unsubscribe what nobody holds any more of the legs in `rows`, and lower the tier of what only tier A holds."""
    rows = sorted(rows)
    touched = list({subscription_id for _, subscription_id, _, _ in rows})
    with connection.cursor() as cursor:
        cursor.execute(_UNSUBSCRIBE, [touched, list(held_next)])
        ended = {subscription_id for (subscription_id,) in cursor.fetchall()}
        if Tier.B in tiers:
            cursor.execute(_LOWER_TIER, [touched])
    changes = []
    for claim_id, subscription_id, instrument_id, number in reversed(rows):
        changes.append(LegChange(claim_id, instrument_id, number, changes_streaming=subscription_id in ended))
        ended.discard(subscription_id)
    return changes[::-1]


def unsubscribe_unheld(instrument_ids: Collection[int]) -> None:
    """Unsubscribe those of these instruments that nobody holds: they were spared for a claim that did not come."""
    with connection.cursor() as cursor:
        cursor.execute(_END_UNHELD, [list(instrument_ids)])
