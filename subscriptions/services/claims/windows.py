"""The legs of a window's claims: all claims of one series and width hold the same ones.

`set_windows` is the one place that moves them: recentring does, and claiming a chain when the money has moved on
since the others claimed theirs. Where the window lies is decided by marketdata.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet

from marketdata import selectors as market_selectors
from marketdata import services as market_services
from marketdata.domain.instruments import SeriesKey
from marketdata.selectors import Leg, Price, SeriesListing
from marketdata.services import KnownWindow, OpenWindow
from subscriptions.domain.claims import Cause, LegChange, LogAction, LogReason, Tier
from subscriptions.models import Claim, ClaimLeg
from subscriptions.services.claims import eviction
from subscriptions.services.claims.eviction import AddedItem, AddedLegs
from subscriptions.services.placement import audit, legs

WindowKey = tuple[SeriesKey, int]


@dataclass(frozen=True, slots=True)
class OpenedChain:
    """A chain whose price has been looked up, ready to be claimed without asking anybody."""

    listing: SeriesListing
    width: int
    window: OpenWindow

    @property
    def series(self) -> SeriesKey:
        """What it is a chain of."""
        return self.listing.series

    @property
    def legs(self) -> Sequence[Leg]:
        """The legs of the window that was found; under the lock it may lie elsewhere (`place_windows`)."""
        return market_services.legs_in_window(self.listing, self.window)


@dataclass(frozen=True, slots=True)
class PlacedWindow:
    """Where a window lies, as the caller is told."""

    lowest: Decimal
    highest: Decimal
    atm: Decimal
    instrument_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MovedLegs:
    """What the claims of moved windows got and let go, and what was evicted for it, in words."""

    gained: Sequence[LegChange] = ()
    lost: Sequence[LegChange] = ()
    evicted: tuple[str, ...] = ()


def open_chain(*, series: SeriesKey, width: int, caller_ltp: Decimal | None = None, now: datetime) -> OpenedChain:
    """Return the chain, its window calculated where that was due. May ask the broker: call it before a transaction.

    Nothing is written: the window is remembered where it is claimed. Raises UnknownExpiry, NoSpot, PriceUnknown.
    """
    listing = market_selectors.get_series_by_key(series)
    window = market_services.find_window(
        listing=listing,
        width=width,
        caller_ltp=caller_ltp,
        now=now,
        opened_anew=not list_claimed([(series, width)]),
    )
    return OpenedChain(listing, width, window)


def open_chains(
    listings: Mapping[WindowKey, SeriesListing], *, prices: Mapping[int, Price], now: datetime
) -> Sequence[OpenedChain]:
    """Do as `open_chain` does for many listings at hand, whose spots' prices have been looked up, in two queries."""
    anew = set(listings).difference(list_claimed(listings))
    found = market_services.find_windows(listings=listings, prices=prices, now=now, opened_anew=anew)
    return [OpenedChain(listing, key[1], found[key]) for key, listing in listings.items()]


def claims_of(series: SeriesKey, width: int) -> Sequence[Claim]:
    """Return the living claims of a window, oldest first."""
    return list(
        Claim.objects.filter(
            exchange_segment=series.segment, underlying_symbol=series.underlying, expiry=series.expiry, width=width
        ).order_by("pk")
    )


def list_claims(wanted: Iterable[WindowKey]) -> Mapping[WindowKey, Sequence[Claim]]:
    """Return the living claims of each wanted window, oldest first, in one query."""
    found: dict[WindowKey, list[Claim]] = {key: [] for key in wanted}
    for claim in _claims_like(found).order_by("pk"):
        if claim.series is None or claim.width is None:
            continue
        if (claim.series, claim.width) in found:
            found[claim.series, claim.width].append(claim)
    return found


def list_claimed(wanted: Iterable[WindowKey]) -> Sequence[WindowKey]:
    """Return those of the wanted windows that have living claims, in one query."""
    keys = list(wanted)
    rows = _claims_like(keys).values_list("exchange_segment", "underlying_symbol", "expiry", "width")
    claimed = set(rows.distinct())
    return [key for key in keys if (key[0].segment, key[0].underlying, key[0].expiry, key[1]) in claimed]


def _claims_like(keys: Collection[WindowKey]) -> QuerySet[Claim]:
    """Return the claims of these windows, and of some more: of their symbols on others of their expiries."""
    return Claim.objects.filter(
        exchange_segment__in={series.segment for series, _ in keys},
        underlying_symbol__in={series.underlying for series, _ in keys},
        expiry__in={series.expiry for series, _ in keys},
    )


def place_windows(chains: Iterable[OpenedChain]) -> Mapping[WindowKey, PlacedWindow]:
    """Return where the windows lie now: under the lock, whoever calculated them last; and remember those of `chains`.

    One query, and one statement for all that these chains calculated.
    """
    opened = {(chain.series, chain.width): chain for chain in chains}
    stored = market_selectors.list_windows(wanted=opened)
    newer = [
        key
        for key, chain in opened.items()
        if key not in stored or (chain.window.is_new and chain.window.calculated_at >= stored[key].calculated_at)
    ]
    if newer:
        market_services.remember_windows(opened[key].window for key in newer)
    current: dict[WindowKey, KnownWindow] = {**stored, **{key: opened[key].window for key in newer}}
    placed = {}
    for key, window in current.items():
        inside = market_services.legs_in_window(opened[key].listing, window)
        placed[key] = PlacedWindow(
            window.lowest_strike, window.highest_strike, window.atm, tuple(leg.instrument_id for leg in inside)
        )
    return placed


def set_windows(
    moves: Iterable[tuple[Sequence[Claim], Sequence[int]]],
    *,
    actor: str,
    now: datetime,
    added: AddedItem | None = None,
) -> MovedLegs:
    """Make all claims of each window hold exactly its instruments; return the legs that changed.

    New edge strikes are subscribed, old ones released, the middle stays untouched: the statements concern the edges
    alone, of all windows at once. Nothing is written where they hold them already. With `added` room is made
    for them, else nobody is evicted. Raises CapacityExceeded.
    """
    pending = [(claims, ids) for claims, ids in moves if claims]
    held = _held_by([claims[0].pk for claims, _ in pending])
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
    gone = legs.remove(lost, tiers=set(tiers.values()), held_next={one for ids in gained.values() for one in ids})
    cause = Cause(LogReason.WINDOW_MOVED, actor, now)
    if added:
        come = eviction.add_legs(gained, tiers=tiers, cause=cause, added=added)
    else:
        come = AddedLegs(legs.add(gained, tiers=tiers, now=now))
    audit.record(moved, action=LogAction.RECENTRE, cause=cause, gained=come.changes, lost=gone)
    return MovedLegs(come.changes, gone, come.evicted)


def _held_by(claim_ids: Sequence[int]) -> Mapping[int, set[int]]:
    held: dict[int, set[int]] = {one: set() for one in claim_ids}
    rows = ClaimLeg.objects.filter(claim__in=claim_ids).values_list("claim_id", "subscription__instrument_id")
    for claim_id, instrument_id in rows:
        held[claim_id].add(instrument_id)
    return held
