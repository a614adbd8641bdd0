"""Eviction: release whole chains of tier A inside the transaction that needs the room, least recently viewed first.

Views, the chains that browsers only show, come before all others. A view is evicted apart from the claims of traders on
the same chain, and no trader gets a notice of it: the pages that show the chain say so.

Steps: (1) `legs.add` finds a shortage of n slots and calls `_Eviction.make_room`; (2) `_choose` reads the oldest chains
with the instruments that stream only for them and lets the domain choose; (3) `_evict` releases the claims of the
chosen chains; (4) after the commit the traders who lost a chain, and the one who added the item, get a notice.

Step 2 reads few chains at first, and more only while those do not suffice. The choice is the same as over all chains:
an instrument that a chain outside the reading holds as well is not freed by evicting the chains inside it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connection

from marketdata import notices
from subscriptions.domain.claims import Cause, ClaimKind, LegChange, LogAction, LogReason, Tier
from subscriptions.domain.eviction import Candidate, Evictable, choose
from subscriptions.models import Claim
from subscriptions.services.claims import wording
from subscriptions.services.claims.release import Release, release
from subscriptions.services.placement import audit, legs
from subscriptions.services.placement.legs import CapacityExceeded, Shortage
from subscriptions.services.placement.lock import placement

# The first reading takes as many chains as suffice if each frees this many instruments. Chosen: a little less than the
# 50 legs of a stock chain, some of which are shared. Each further reading takes four times as many.
# Reading sixteen at once took a third of an addition at 25,000 (benchmarks/bench_placement.py).
USUAL_LEGS: Final = 40
READING_GROWTH: Final = 4  # chosen: 500 chains are read in five steps, and the earlier steps add at most a third
EVICTED_NOTICE: Final = "evicted"

_CHAIN: Final = "exchange_segment, underlying_symbol, expiry, width, instrument_id"
_UNIT: Final = f"{_CHAIN}, kind = 'view'"
_EVICTABLE_KINDS: Final = """tier = 'A' AND kind <> 'spot' AND CASE %(may_evict)s
    WHEN 'chains' THEN true WHEN 'views' THEN kind = 'view' ELSE kind = 'view' AND instrument_id IS NOT NULL END"""

# The chain that the added claims belong to is spared as a whole: evicting its other claims frees nothing. In the order
# of `domain.eviction`.
_LIST_OLDEST = f"""
SELECT min(id), max(last_viewed_at) AS viewed_at, array_agg(id ORDER BY id), kind = 'view' AS is_view
FROM claims WHERE {_EVICTABLE_KINDS}
GROUP BY {_UNIT}
HAVING NOT bool_or(is_pinned OR id = ANY(%(added_claims)s))
ORDER BY is_view DESC, viewed_at, min(id) LIMIT %(limit)s
"""  # noqa: S608  Constants of this module.

# The claims that hold a subscription. A spot claim lives as long as its chains: its leg counts as held by them.
_HOLDERS = """
SELECT coalesce(chain.id, claim.id) FROM claim_legs AS leg JOIN claims AS claim ON claim.id = leg.claim_id
LEFT JOIN claims AS chain ON claim.kind = 'spot' AND chain.spot_id = claim.id
WHERE leg.subscription_id = subscription.id
"""

# The tier-A instruments that stream only for the listed claims, by claim. An instrument that another claim holds too
# is not freed by evicting these, so it is left out, as are the instruments that the added claims need.
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

# The instruments that would stop streaming if every evictable chain were evicted: the most that can be freed.
_COUNT_FREEABLE = f"""
WITH evictable AS (
    SELECT unnest(array_agg(id)) AS id FROM claims WHERE {_EVICTABLE_KINDS}
    GROUP BY {_UNIT} HAVING NOT bool_or(is_pinned OR id = ANY(%(added_claims)s))
)
SELECT count(*) FROM subscriptions AS subscription
WHERE tier = 'A' AND NOT instrument_id = ANY(%(needed)s)
    AND NOT EXISTS (SELECT FROM ({_HOLDERS}) AS holder (id) WHERE holder.id NOT IN (SELECT id FROM evictable))
"""  # noqa: S608  Constants of this module.


@dataclass(frozen=True, slots=True)
class AddedLegs:
    """The legs that claims gained, and the subjects of the chains that traders lost for them."""

    changes: Sequence[LegChange]
    evicted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AddedItem:
    """The item that needs the room, as a notice names it, the trader who added it (None: not a trader), its victims."""

    words: str
    user_id: int | None = None
    may_evict: Evictable = Evictable.CHAINS


ALWAYS_ON: Final = AddedItem("always-on instruments")


class _Oldest(NamedTuple):
    """One evictable chain: its claims of traders, or its view claim."""

    viewed_at: datetime
    claim_ids: Sequence[int]
    is_view: bool


@dataclass(slots=True)
class _Eviction:
    """The eviction for one addition, and the chains that traders lost so far; views are not among them."""

    wanted: Mapping[int, Sequence[int]]
    cause: Cause
    may_evict: Evictable
    evicted: list[Release] = field(default_factory=list)

    def make_room(self, shortage: Shortage) -> None:
        """Evict as many chains as the shortage needs. Raises CapacityExceeded if all together do not suffice."""
        if self.may_evict is Evictable.NONE:
            raise CapacityExceeded(shortage)
        needed = frozenset(one for instruments in self.wanted.values() for one in instruments)
        chains = _choose(shortage, added_claims=list(self.wanted), needed=needed, may_evict=self.may_evict)
        cause = Cause(LogReason.CAPACITY, self.cause.actor, self.cause.now)
        released = _evict([one.claim_ids for one in chains], cause=cause, held_next=needed)
        self.evicted += [one for one, chain in zip(released, chains, strict=True) if not chain.is_view]


def add_legs(
    wanted: Mapping[int, Sequence[int]], *, tiers: Mapping[int, Tier], cause: Cause, added: AddedItem
) -> AddedLegs:
    """Add legs to claims (`legs.add`), evicting what `added` may evict if they do not fit. Raises CapacityExceeded."""
    eviction = _Eviction(wanted, cause, added.may_evict)
    changes = legs.add(wanted, tiers=tiers, make_room=eviction.make_room)
    if eviction.evicted:
        _notify_on_commit(eviction.evicted, added)
    return AddedLegs(changes, tuple(dict.fromkeys(one.subject for one in eviction.evicted)))


def evict_chains(*, claim_ids: Collection[int], actor: str, reason: str, now: datetime) -> Sequence[Release]:
    """Evict the chains of these claims for staff, each with all its tier-A claims; return one result per chain.

    Pinned chains too. Claims of tier B are ignored. The traders who lose a chain get a notice. Raises PlacementBusy.
    """
    with placement(now=now):
        evicted = _evict(_list_chains(claim_ids), cause=Cause(reason, actor, now))
        _notify_losers_on_commit(evicted, f"By the desk: {reason.rstrip('.')}.")
        return evicted


def set_pinned(*, claim_ids: Collection[int], is_pinned: bool, actor: str, now: datetime) -> int:
    """Pin or unpin the chains of these claims; return the number of claims changed. Pinned chains are not evicted.

    All tier-A claims of a chain are pinned together, except that of its viewers, which ends with them. Raises
    PlacementBusy.
    """
    with placement(now=now):
        ids = [one for chain in _list_chains(claim_ids) for one in chain]
        claims = list(Claim.objects.filter(pk__in=ids).exclude(kind=ClaimKind.VIEW).exclude(is_pinned=is_pinned))
        Claim.objects.filter(pk__in=[claim.pk for claim in claims]).update(is_pinned=is_pinned)
        action = LogAction.PIN if is_pinned else LogAction.UNPIN
        audit.record(claims, action=action, cause=Cause(LogReason.STAFF, actor, now))
        return len(claims)


def _choose(
    shortage: Shortage, *, added_claims: Sequence[int], needed: Collection[int], may_evict: Evictable
) -> Sequence[_Oldest]:
    """Return the chains to evict. Raises CapacityExceeded if all chains do not suffice."""
    limit = first_limit = 2 + shortage.shortfall // USUAL_LEGS
    while True:
        chains = _list_oldest(added_claims, limit, may_evict=may_evict)
        chosen = choose(_list_candidates(chains, needed), shortfall=shortage.shortfall)
        if chosen:
            return [chains[one.key] for one in chosen]
        # The first failure counts what all chains would free, so a hopeless request is refused without reading them
        # all. A reading shorter than its limit has seen every chain: no further one can succeed.
        if len(chains) < limit or limit == first_limit:
            freeable = _count_freeable(added_claims, needed, may_evict=may_evict)
            if freeable < shortage.shortfall:
                raise CapacityExceeded(shortage, freeable=freeable)
        limit *= READING_GROWTH


def _list_oldest(added_claims: Sequence[int], limit: int, *, may_evict: Evictable) -> Mapping[int, _Oldest]:
    """Return the chains that are evicted first, by key."""
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"added_claims": list(added_claims), "limit": limit, "may_evict": may_evict.value}
        cursor.execute(_LIST_OLDEST, values)
        return {key: _Oldest(*columns) for key, *columns in cursor.fetchall()}


def _list_candidates(chains: Mapping[int, _Oldest], needed: Collection[int]) -> Sequence[Candidate]:
    key_of = {claim_id: key for key, one in chains.items() for claim_id in one.claim_ids}
    holds: dict[int, set[int]] = {key: set() for key in chains}
    with connection.cursor() as cursor:
        cursor.execute(_LIST_HOLDINGS, {"claims": list(key_of), "needed": list(needed)})
        for claim_id, instrument_id in cursor.fetchall():
            holds[key_of[claim_id]].add(instrument_id)
    return [Candidate(key, one.viewed_at, holds[key], one.is_view) for key, one in chains.items()]


def _count_freeable(added_claims: Sequence[int], needed: Collection[int], *, may_evict: Evictable) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNT_FREEABLE,
            {"added_claims": list(added_claims), "needed": list(needed), "may_evict": may_evict.value},
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def _list_chains(claim_ids: Collection[int]) -> Sequence[Sequence[int]]:
    """Return the tier-A claims of each chain (or instrument) that one of these claims belongs to."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT array_agg(id ORDER BY id) FROM claims WHERE tier = 'A' AND kind <> 'spot'
            GROUP BY {_CHAIN} HAVING bool_or(id = ANY(%s)) ORDER BY min(id)
            """,  # noqa: S608  Constants of this module.
            [list(claim_ids)],
        )
        return [claims for (claims,) in cursor.fetchall()]


def _evict(chains: Sequence[Sequence[int]], *, cause: Cause, held_next: Collection[int] = ()) -> Sequence[Release]:
    """Release the claims of each chain, in the order given; return one result per chain."""
    order = [one for claim_ids in chains for one in claim_ids]
    found = Claim.objects.select_related("instrument", "user").in_bulk(order)
    # All chains in one release: an instrument that two of them share is freed by the last, and counted once.
    total = release([found[one] for one in order], cause=cause, held_next=held_next, action=LogAction.EVICT)
    return [_split([found[one] for one in claim_ids], total) for claim_ids in chains]


def _split(claims: Sequence[Claim], total: Release) -> Release:
    """Return the part of a release that concerns the claims of one chain."""
    by_claim = {claim.pk: total.released_by_claim.get(claim.pk, 0) for claim in claims}
    users = {claim.user.pk: claim.user.get_username() for claim in claims if claim.user is not None}
    return Release(
        claims=len(claims),
        released=sum(by_claim.values()),
        user_ids=frozenset(users),
        released_by_claim=by_claim,
        subject=wording.describe_claim(claims[0]),
        usernames=tuple(sorted(users.values())),
        target=wording.identify_claim(claims[0]),
    )


def _notify_on_commit(evicted: Sequence[Release], added: AddedItem) -> None:
    """Send the adding trader the chains evicted for the item, and the other traders the chains that they lost."""
    if added.user_id is not None:
        _send_on_commit(added.user_id, wording.describe_added(added.words, [one.subject for one in evicted]))
    _notify_losers_on_commit(evicted, f"{added.words} needed room.", adder=added.user_id)


def _notify_losers_on_commit(evicted: Sequence[Release], why: str, *, adder: int | None = None) -> None:
    losers = {user_id for one in evicted for user_id in one.user_ids if user_id != adder}
    for user_id in sorted(losers):
        lost = [one for one in evicted if user_id in one.user_ids]
        text = f"{why} {wording.format_list([one.subject for one in lost])} stopped streaming."
        _send_on_commit(user_id, text, lost=[one.target for one in lost])


def _send_on_commit(user_id: int, text: str, *, lost: Sequence[notices.Target] = ()) -> None:
    message = notices.notice(EVICTED_NOTICE, text, lost=lost)
    notices.send_on_commit([user_id], message, notices.WATCHLIST_CHANGED)
