"""The legs of a window's claims: all claims of one series and width hold the same instruments.

Two acts move a window, both under the placement lock: recentring, and claiming a chain whose window no longer holds.
`current_chains` decides where the window is and stores it, `set_windows` makes the claims follow. Both happen in one
transaction, so that `atm_cache` never describes a window that its claims do not hold.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from marketdata import selectors as market_selectors
from marketdata import services as market_services
from marketdata.domain.chain import WindowKey
from marketdata.services import Chain
from subscriptions.domain.claims import Cause, LegChange, LogAction, LogReason, Tier
from subscriptions.models import Claim, ClaimLeg
from subscriptions.services.claims import eviction
from subscriptions.services.claims.eviction import AddedItem, AddedLegs
from subscriptions.services.placement import audit, legs


@dataclass(frozen=True, slots=True)
class MovedLegs:
    """The legs that the claims of moved windows gained and lost; `evicted` names the evicted chains for traders."""

    gained: Sequence[LegChange] = ()
    lost: Sequence[LegChange] = ()
    evicted: tuple[str, ...] = ()


def list_claims(keys: Iterable[WindowKey]) -> Mapping[WindowKey, Sequence[Claim]]:
    """Return the claims of each window, oldest first, in one query."""
    found: dict[WindowKey, list[Claim]] = {key: [] for key in keys}
    for claim in _claims_like(found).order_by("pk"):
        if claim.window_key in found:
            found[claim.window_key].append(claim)
    return found


def _claims_like(keys: Collection[WindowKey]) -> QuerySet[Claim]:
    """Return the claims of these windows; of several keys, also those of other combinations of their fields."""
    return Claim.objects.filter(
        exchange_segment__in={key.series.segment for key in keys},
        underlying_symbol__in={key.series.underlying for key in keys},
        expiry__in={key.series.expiry for key in keys},
        width__in={key.width for key in keys},
    )


def current_chains(chains: Iterable[Chain], claims: Mapping[WindowKey, Sequence[Claim]]) -> Mapping[WindowKey, Chain]:
    """Return `chains` with the windows that are in force, and store those that are new; under the placement lock.

    `claims` are the claims of these windows, as of under the lock: a window without claims is being opened. One query,
    and one statement for all new windows.
    """
    opened = {chain.key: chain for chain in chains}
    stored = market_selectors.list_windows(keys=opened)
    current = {
        key: market_services.with_current_window(chain, stored.get(key), is_opening=not claims[key])
        for key, chain in opened.items()
    }
    # `with_current_window` returns either window unchanged, so identity tells which one it chose.
    new = [chain for key, chain in current.items() if chain.window is not stored.get(key)]
    if new:
        market_services.store_windows(new)
    return current


def set_windows(
    moves: Iterable[tuple[Sequence[Claim], Sequence[int]]], *, actor: str, now: datetime, added: AddedItem | None = None
) -> MovedLegs:
    """Make all claims of each window hold exactly its instruments; return the legs that changed.

    New edge strikes are subscribed and old ones released, in one set of statements for all windows; strikes that stay
    are not written. With `added` older chains are evicted where capacity is missing. Raises CapacityExceeded.
    """
    pending = [(claims, ids) for claims, ids in moves if claims]
    # All claims of a window hold the same legs, so the first one stands for all.
    held = held_by([claims[0].pk for claims, _ in pending])
    lost: dict[int, Sequence[int]] = {}
    gained: dict[int, Sequence[int]] = {}
    moved: list[Claim] = []
    for claims, ids in pending:
        old, new = held[claims[0].pk], set(ids)
        if old == new:
            continue
        moved += claims
        lost |= {claim.pk: sorted(old - new) for claim in claims}
        gained |= {claim.pk: [one for one in ids if one not in old] for claim in claims}
    if not moved:
        return MovedLegs()
    tiers = {claim.pk: Tier(claim.tier) for claim in moved}
    # Legs that another window gains in the same move keep their subscription (`held_next`): no gap in their stream.
    gone = legs.remove(lost, tiers=set(tiers.values()), held_next={one for ids in gained.values() for one in ids})
    cause = Cause(LogReason.WINDOW_MOVED, actor, now)
    if added:
        come = eviction.add_legs(gained, tiers=tiers, cause=cause, added=added)
    else:
        come = AddedLegs(legs.add(gained, tiers=tiers))
    audit.record(moved, action=LogAction.RECENTRE, cause=cause, gained=come.changes, lost=gone)
    return MovedLegs(come.changes, gone, come.evicted)


def held_by(claim_ids: Sequence[int]) -> Mapping[int, set[int]]:
    """Return the instruments that each of these claims holds, in one query."""
    held: dict[int, set[int]] = {one: set() for one in claim_ids}
    rows = ClaimLeg.objects.filter(claim__in=claim_ids).values_list("claim_id", "subscription__instrument_id")
    for claim_id, instrument_id in rows:
        held[claim_id].add(instrument_id)
    return held
