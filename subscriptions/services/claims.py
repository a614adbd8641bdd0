"""Claiming and releasing one chain or one instrument: one transaction each, under the placement lock.

A chain's window is opened before the lock, for that may ask the broker for a price; under the lock the window is
read again, because somebody else may have moved it since. If a claim does not fit, nothing is changed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import SeriesKey
from subscriptions.domain.claims import ClaimKind, LogAction, Tier
from subscriptions.models import Claim, ClaimLeg
from subscriptions.services import audit, legs, spots, windows
from subscriptions.services.audit import Cause, Holder
from subscriptions.services.legs import LegChange
from subscriptions.services.lock import nudge_owners_on_commit, placement
from subscriptions.services.release import release
from subscriptions.services.windows import OpenedChain, PlacedWindow


class UnknownClaim(DomainError):
    """A claim that is not there, or not any more."""

    status = 404
    code = "unknown_claim"


@dataclass(frozen=True, slots=True)
class Placed:
    """A claim and what it brought. The spot of a chain is not counted among its legs."""

    claim_id: int
    legs: int
    subscribed: int  # of the legs, those that began to stream
    shared: int  # of the legs, those that streamed already
    per_connection: Mapping[int, int]  # legs of this claim on each connection
    window: PlacedWindow | None = None  # of a chain
    spot_instrument_id: int | None = None  # of a chain
    evicted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Released:
    """What a released claim set free. Legs that others hold stay."""

    claim_id: int
    released: int
    kept: int


def claim_chain(
    *,
    series: SeriesKey,
    width: int,
    tier: Tier,
    kind: ClaimKind,
    user_id: int | None,
    rule_id: int | None = None,
    actor: str,
    reason: str,
    caller_ltp: Decimal | None = None,
    now: datetime,
    opened: OpenedChain | None = None,
) -> Placed:
    """Claim a chain; asking again for one's own explicit chain gives the claim that stands.

    A caller with a transaction of its own opens the chain before it (`open_chain`) and hands it in as `opened`.
    Raises UnknownExpiry, NoSpot, PriceUnknown, CapacityExceeded, PlacementBusy.
    """
    if opened is None:
        opened = windows.open_chain(series=series, width=width, caller_ltp=caller_ltp, now=now)
    with placement(now=now):
        window = windows.place_windows([opened])[series, width]
        others = windows.claims_of(series, width)
        moved = windows.set_window(others, window.instrument_ids, actor=actor, now=now)
        if moved:
            nudge_owners_on_commit()
        standing = [one for one in others if one.user_id == user_id and one.kind == kind == ClaimKind.CHAIN]
        if user_id is not None and standing:
            return _standing(standing[0], window, opened, now=now)
        claim = Claim(
            kind=kind,
            tier=tier,
            user_id=user_id,
            rule_id=rule_id,
            exchange_segment=series.segment,
            underlying_symbol=series.underlying,
            expiry=series.expiry,
            width=width,
            last_viewed_at=now,
            claimed_at=now,
        )
        spot_id = opened.listing.spot_instrument_id
        gained = hold_chains({spot_id: [(claim, window.instrument_ids)]}, tier=tier, cause=Cause(reason, actor, now))
        return _placed(claim.pk, gained, window, spot_id)


def claim_instrument(
    *,
    instrument_id: int,
    tier: Tier,
    kind: ClaimKind,
    user_id: int | None,
    rule_id: int | None = None,
    actor: str,
    reason: str,
    now: datetime,
) -> Placed:
    """Claim one instrument. Raises CapacityExceeded, PlacementBusy."""
    with placement(now=now):
        claim = Claim.objects.create(
            kind=kind,
            tier=tier,
            user_id=user_id,
            rule_id=rule_id,
            instrument_id=instrument_id,
            last_viewed_at=now,
            claimed_at=now,
        )
        gained = legs.hold({claim.pk: [instrument_id]}, now=now)
        audit.record(holders_of([claim.pk]), action=LogAction.SUBSCRIBE, cause=Cause(reason, actor, now), gained=gained)
        nudge_owners_on_commit()
        return _placed(claim.pk, gained)


def release_claim(*, claim_id: int, actor: str, reason: str, now: datetime) -> Released:
    """Release one claim; what nobody else holds is unsubscribed. Raises UnknownClaim, PlacementBusy."""
    with placement(now=now):
        outcome = release([claim_id], cause=Cause(reason, actor, now))
        if not outcome.claims:
            raise UnknownClaim(f"There is no claim {claim_id}.")
        return Released(claim_id, outcome.released, outcome.kept)


def hold_chains(
    chains: Mapping[int, Sequence[tuple[Claim, Sequence[int]]]], *, tier: Tier, cause: Cause
) -> Sequence[LegChange]:
    """Write new chain claims of one tier with their spots and legs, under the lock; return the legs of the chains.

    `chains` is (unsaved claim, its instruments) by spot instrument; a spot without chains is claimed all the same.
    """
    all_spots, new_spots = spots.find_or_create_spots(chains, tier=tier, now=cause.now)
    claims = []
    for spot_id, group in chains.items():
        for claim, _ in group:
            claim.spot_id = all_spots[spot_id]
            claims.append(claim)
    Claim.objects.bulk_create(claims)
    wanted: dict[int, Sequence[int]] = {claim_id: [spot_id] for spot_id, claim_id in new_spots.items()}
    wanted |= {claim.pk: instruments for group in chains.values() for claim, instruments in group}
    if not wanted:
        return []
    gained = legs.hold(wanted, now=cause.now)
    holders = [*holders_of(list(new_spots.values())), *(audit.holder_of(claim) for claim in claims)]
    audit.record(holders, action=LogAction.SUBSCRIBE, cause=cause, gained=gained)
    nudge_owners_on_commit()
    of_spots = set(new_spots.values())
    return [change for change in gained if change.claim_id not in of_spots]


def holders_of(claim_ids: Sequence[int]) -> list[Holder]:
    """Return how the log names claims of single instruments."""
    if not claim_ids:
        return []
    claims = Claim.objects.filter(pk__in=claim_ids).select_related("instrument").order_by("pk")
    return [audit.holder_of(claim, token=claim.instrument.token if claim.instrument else "") for claim in claims]


def _placed(
    claim_id: int, gained: Sequence[LegChange], window: PlacedWindow | None = None, spot_id: int | None = None
) -> Placed:
    subscribed = sum(change.turns for change in gained)
    per_connection = Counter(change.connection for change in gained)
    return Placed(
        claim_id=claim_id,
        legs=len(gained),
        subscribed=subscribed,
        shared=len(gained) - subscribed,
        per_connection=dict(sorted(per_connection.items())),
        window=window,
        spot_instrument_id=spot_id,
    )


def _standing(claim: Claim, window: PlacedWindow, opened: OpenedChain, *, now: datetime) -> Placed:
    Claim.objects.filter(pk=claim.pk).update(last_viewed_at=now)
    numbers = ClaimLeg.objects.filter(claim=claim).values_list("subscription__connection_id", flat=True)
    per_connection = Counter(numbers)
    return Placed(
        claim_id=claim.pk,
        legs=per_connection.total(),
        subscribed=0,
        shared=per_connection.total(),
        per_connection=dict(sorted(per_connection.items())),
        window=window,
        spot_instrument_id=opened.listing.spot_instrument_id,
    )
