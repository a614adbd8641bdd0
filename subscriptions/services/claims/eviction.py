"""Making room: releasing whole chains of tier A, the least recently viewed first, inside the act that needs it.

The domain decides who goes; this reads who could. The oldest are read first, few at a time, and more only where
those do not suffice: what anybody outside the reading holds is not freed by it, so the choice is the same. Whoever
loses something is told after the commit.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from marketdata import notices
from subscriptions.domain.claims import LogAction, LogReason, Tier
from subscriptions.domain.eviction import Candidate, choose
from subscriptions.models import Claim
from subscriptions.services.claims import wording
from subscriptions.services.claims.release import release_claims
from subscriptions.services.placement import audit, legs
from subscriptions.services.placement.audit import Cause
from subscriptions.services.placement.legs import CapacityExceeded, LegChange, Shortage
from subscriptions.services.placement.lock import placement

# As many chains are read at first as would do if each freed so many; four times as many whenever they do not suffice.
# Reading sixteen at once was a third of an addition at 25,000 (benchmarks/bench_placement.py).
USUAL_LEGS: Final = 40
EVICTED_NOTICE: Final = "evicted"

_UNIT: Final = "exchange_segment, underlying_symbol, expiry, width, instrument_id"

# `added_claims` are spared with the whole chain they belong to: its other claims hold what they need.
_LIST_OLDEST = f"""
SELECT min(id), max(last_viewed_at) AS viewed_at, array_agg(id)
FROM claims WHERE tier = 'A' AND kind <> 'spot'
GROUP BY {_UNIT}
HAVING NOT bool_or(is_pinned OR id = ANY(%s))
ORDER BY viewed_at, min(id) LIMIT %s
"""  # noqa: S608  Constants of this module.

# A spot's claim is held by its chains, so its leg counts as theirs.
_HOLDERS = """
SELECT coalesce(chain.id, claim.id) FROM claim_legs AS leg JOIN claims AS claim ON claim.id = leg.claim_id
LEFT JOIN claims AS chain ON claim.kind = 'spot' AND chain.spot_id = claim.id
WHERE leg.subscription_id = subscription.id
"""

_LIST_HOLDINGS = f"""
SELECT held.claim_id, subscription.instrument_id
FROM (
    SELECT claim_id, subscription_id FROM claim_legs WHERE claim_id = ANY(%(claims)s)
    UNION
    SELECT chain.id, leg.subscription_id FROM claims AS chain JOIN claim_legs AS leg ON leg.claim_id = chain.spot_id
    WHERE chain.id = ANY(%(claims)s)
) AS held CROSS JOIN LATERAL (
    SELECT instrument_id FROM subscriptions AS subscription
    WHERE id = held.subscription_id AND tier = 'A' AND NOT instrument_id = ANY(%(needed)s)
        AND NOT EXISTS (SELECT FROM ({_HOLDERS}) AS holder (id) WHERE NOT holder.id = ANY(%(claims)s))
    OFFSET 0
) AS subscription
"""  # noqa: S608  Constants of this module.

_COUNT_FREEABLE = f"""
WITH evictable AS (
    SELECT unnest(array_agg(id)) AS id FROM claims WHERE tier = 'A' AND kind <> 'spot'
    GROUP BY {_UNIT} HAVING NOT bool_or(is_pinned OR id = ANY(%(added_claims)s))
)
SELECT count(*) FROM subscriptions AS subscription
WHERE tier = 'A' AND NOT instrument_id = ANY(%(needed)s)
    AND NOT EXISTS (SELECT FROM ({_HOLDERS}) AS holder (id) WHERE holder.id NOT IN (SELECT id FROM evictable))
"""  # noqa: S608  Constants of this module.


@dataclass(frozen=True, slots=True)
class EvictedChain:
    """What went, in words ("INFY 24 Feb"), whose it was, and how many instruments ceased to stream with it."""

    subject: str
    users: tuple[str, ...]
    legs_freed: int
    user_ids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class EvictionReport:
    """What an act of staff evicted."""

    chains: tuple[EvictedChain, ...]
    released: int


@dataclass(frozen=True, slots=True)
class AddedLegs:
    """The legs that claims got, and what went for them."""

    changes: Sequence[LegChange]
    evicted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AddedItem:
    """Who needs the room, as those who give it are told: what was added, and by whom (None: not by a trader)."""

    words: str
    user_id: int | None = None


ALWAYS_ON: Final = AddedItem("always-on instruments")


@dataclass(slots=True)
class _Room:
    """The act that needs room: who it is for, and what went."""

    wanted: Mapping[int, Sequence[int]]
    cause: Cause
    added: AddedItem
    evicted: list[EvictedChain] = field(default_factory=list)

    def make(self, shortage: Shortage) -> None:
        """Evict as many chains as the shortage needs. Raises CapacityExceeded where all together do not suffice."""
        needed = frozenset(one for instruments in self.wanted.values() for one in instruments)
        victims = _choose(shortage, added_claims=list(self.wanted), needed=needed)
        cause = Cause(LogReason.CAPACITY, self.cause.actor, self.cause.now)
        self.evicted += _evict(victims, cause=cause, held_next=needed)


def add_legs(
    wanted: Mapping[int, Sequence[int]], *, tiers: Mapping[int, Tier], cause: Cause, added: AddedItem
) -> AddedLegs:
    """Make each claim hold its instruments (`legs.add`), evicting where there is no room. Raises CapacityExceeded."""
    room = _Room(wanted, cause, added)
    changes = legs.add(wanted, tiers=tiers, now=cause.now, make_room=room.make)
    evicted = tuple(dict.fromkeys(one.subject for one in room.evicted))
    if evicted:
        _tell_on_commit(room.evicted, added)
    return AddedLegs(changes, evicted)


def evict_chains(*, claim_ids: Collection[int], actor: str, reason: str, now: datetime) -> EvictionReport:
    """Evict the chains that these claims belong to, each with all its tier-A claims, pinned or not: an act of staff.

    Claims of tier B are left alone. Those who lose something are told. Raises PlacementBusy.
    """
    with placement(now=now):
        chains = _list_chains(claim_ids)
        evicted = _evict(chains, cause=Cause(reason, actor, now))
        _tell_losers_on_commit(evicted, f"(by staff): {reason}")
        return EvictionReport(tuple(evicted), sum(one.legs_freed for one in evicted))


def set_pinned(*, claim_ids: Collection[int], is_pinned: bool, actor: str, now: datetime) -> int:
    """Spare the chains that these claims belong to from eviction, or no longer; return how many claims changed.

    All tier-A claims of a chain are pinned together. Raises PlacementBusy.
    """
    with placement(now=now):
        ids = [one for chain in _list_chains(claim_ids) for one in chain]
        claims = list(Claim.objects.filter(pk__in=ids).exclude(is_pinned=is_pinned).select_related("instrument"))
        Claim.objects.filter(pk__in=[claim.pk for claim in claims]).update(is_pinned=is_pinned)
        audit.record(
            [audit.audited_claim(claim, token=claim.instrument.token if claim.instrument else "") for claim in claims],
            action=LogAction.PIN if is_pinned else LogAction.UNPIN,
            cause=Cause(LogReason.STAFF, actor, now),
        )
        return len(claims)


def _choose(shortage: Shortage, *, added_claims: Sequence[int], needed: Collection[int]) -> Sequence[Sequence[int]]:
    """Return the claims of each chain that goes. Raises CapacityExceeded where all do not suffice."""
    look = first_look = 2 + shortage.shortfall // USUAL_LEGS
    while True:
        units = _list_oldest(added_claims, look)
        candidates = _list_candidates(units, needed)
        chosen = choose(candidates, shortfall=shortage.shortfall)
        if chosen:
            return [units[one.key][1] for one in chosen]
        if len(units) < look or look == first_look:
            freeable = _count_freeable(added_claims, needed)
            if freeable < shortage.shortfall:
                raise CapacityExceeded(shortage, freeable=freeable)
        look *= 4


def _list_oldest(added_claims: Sequence[int], limit: int) -> Mapping[int, tuple[datetime, Sequence[int]]]:
    """Return the least recently viewed chains by key: when that was, and their claims."""
    with connection.cursor() as cursor:
        cursor.execute(_LIST_OLDEST, [list(added_claims), limit])
        return {key: (viewed_at, claim_ids) for key, viewed_at, claim_ids in cursor.fetchall()}


def _list_candidates(
    units: Mapping[int, tuple[datetime, Sequence[int]]], needed: Collection[int]
) -> Sequence[Candidate]:
    key_of = {claim_id: key for key, (_, claim_ids) in units.items() for claim_id in claim_ids}
    holds: dict[int, set[int]] = {key: set() for key in units}
    with connection.cursor() as cursor:
        cursor.execute(_LIST_HOLDINGS, {"claims": list(key_of), "needed": list(needed)})
        for claim_id, instrument_id in cursor.fetchall():
            holds[key_of[claim_id]].add(instrument_id)
    return [Candidate(key, viewed_at, holds[key]) for key, (viewed_at, _) in units.items()]


def _count_freeable(added_claims: Sequence[int], needed: Collection[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_FREEABLE, {"added_claims": list(added_claims), "needed": list(needed)})
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def _list_chains(claim_ids: Collection[int]) -> Sequence[Sequence[int]]:
    """Return the tier-A claims of each chain (or instrument) that one of these claims is of."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT array_agg(id ORDER BY id) FROM claims WHERE tier = 'A' AND kind <> 'spot'
            GROUP BY {_UNIT} HAVING bool_or(id = ANY(%s)) ORDER BY min(id)
            """,  # noqa: S608  Constants of this module.
            [list(claim_ids)],
        )
        return [claims for (claims,) in cursor.fetchall()]


def _evict(chains: Sequence[Sequence[int]], *, cause: Cause, held_next: Collection[int] = ()) -> Sequence[EvictedChain]:
    """Release the claims of each of `chains`, in the order given; one audit row per claim."""
    order = [one for claim_ids in chains for one in claim_ids]
    found = Claim.objects.select_related("instrument", "user").in_bulk(order)
    outcome = release_claims(list(found.values()), cause=cause, held_next=held_next, action=LogAction.EVICT)
    return [_evicted([found[one] for one in claim_ids], outcome.freed_by) for claim_ids in chains]


def _evicted(claims: Sequence[Claim], freed_by: Mapping[int, int]) -> EvictedChain:
    owners = {claim.user.pk: claim.user.get_username() for claim in claims if claim.user is not None}
    return EvictedChain(
        subject=wording.describe_claim(claims[0]),
        users=tuple(sorted(owners.values())),
        legs_freed=sum(freed_by.get(claim.pk, 0) for claim in claims),
        user_ids=frozenset(owners),
    )


def _tell_on_commit(evicted: Sequence[EvictedChain], added: AddedItem) -> None:
    """Tell the one who added what went for it, and the others what they lost and why."""
    adder = added.user_id
    if adder is not None:
        sentence = wording.describe_added(added.words, [one.subject for one in evicted])
        _tell_user_on_commit(adder, sentence)
    _tell_losers_on_commit(evicted, f"(capacity limit): {added.words} came instead", but=adder)


def _tell_losers_on_commit(evicted: Sequence[EvictedChain], why: str, *, but: int | None = None) -> None:
    losers = sorted({user_id for one in evicted for user_id in one.user_ids if user_id != but})
    for user_id in losers:
        lost = [one.subject for one in evicted if user_id in one.user_ids]
        _tell_user_on_commit(user_id, f"Removed {wording.format_list(lost)} {why}")


def _tell_user_on_commit(user_id: int, text: str) -> None:
    def tell() -> None:
        notices.send_notice(user_ids=[user_id], kind=EVICTED_NOTICE, text=text)
        notices.send_watchlist_changed(user_ids=[user_id])

    transaction.on_commit(tell)
