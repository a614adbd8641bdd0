"""The legs of a window's claims: all claims of one series and width hold the same ones.

`set_window` is the one place that gives them; claiming a chain uses it when the money has moved on since the
others claimed theirs. Where the window lies is decided by marketdata.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from marketdata import selectors as market_selectors
from marketdata import services as market_services
from marketdata.domain.instruments import SeriesKey
from marketdata.selectors import Price, SeriesListing
from subscriptions.domain.claims import LogAction, LogReason, Tier
from subscriptions.models import Claim, ClaimLeg
from subscriptions.services import audit, legs
from subscriptions.services.audit import Cause

WindowKey = tuple[SeriesKey, int]


@dataclass(frozen=True, slots=True)
class OpenedChain:
    """A chain whose price has been looked up, ready to be claimed without asking anybody."""

    listing: SeriesListing
    width: int

    @property
    def series(self) -> SeriesKey:
        """What it is a chain of."""
        return self.listing.series


@dataclass(frozen=True, slots=True)
class PlacedWindow:
    """Where a window lies, as the caller is told."""

    lowest: Decimal
    highest: Decimal
    atm: Decimal
    instrument_ids: tuple[int, ...]


def open_chain(*, series: SeriesKey, width: int, caller_ltp: Decimal | None = None, now: datetime) -> OpenedChain:
    """Return the chain, its window calculated where that was due. May ask the broker: call it before a transaction.

    Raises UnknownExpiry, NoSpot, PriceUnknown.
    """
    listing = market_selectors.get_series_by_key(series)
    return open_listing(listing, width=width, caller_ltp=caller_ltp, now=now)


def open_listing(
    listing: SeriesListing,
    *,
    width: int,
    caller_ltp: Decimal | None = None,
    price: Price | None = None,
    now: datetime,
) -> OpenedChain:
    """Do as `open_chain` does for a listing at hand; `price` is one that the caller has just looked up."""
    market_services.open_window(
        listing=listing,
        width=width,
        caller_ltp=caller_ltp,
        price=price,
        now=now,
        opened_anew=not list_claimed([(listing.series, width)]),
    )
    return OpenedChain(listing, width)


def claims_of(series: SeriesKey, width: int) -> Sequence[Claim]:
    """Return the living claims of a window, oldest first."""
    return list(
        Claim.objects.filter(
            exchange_segment=series.segment, underlying_symbol=series.underlying, expiry=series.expiry, width=width
        ).order_by("pk")
    )


def list_claimed(windows: Iterable[WindowKey]) -> Sequence[WindowKey]:
    """Return those of `windows` that have living claims, in one query."""
    wanted = list(windows)
    rows = Claim.objects.filter(
        exchange_segment__in={series.segment for series, _ in wanted},
        underlying_symbol__in={series.underlying for series, _ in wanted},
        expiry__in={series.expiry for series, _ in wanted},
    ).values_list("exchange_segment", "underlying_symbol", "expiry", "width")
    claimed = set(rows.distinct())
    return [key for key in wanted if (key[0].segment, key[0].underlying, key[0].expiry, key[1]) in claimed]


def place_windows(chains: Iterable[OpenedChain]) -> Mapping[WindowKey, PlacedWindow]:
    """Return where the windows lie now, in one query: under the lock, whoever calculated them last."""
    opened = {(chain.series, chain.width): chain for chain in chains}
    placed = {}
    for key, window in market_selectors.list_windows(wanted=opened).items():
        found = market_services.legs_in_window(opened[key].listing, window)
        placed[key] = PlacedWindow(
            window.lowest_strike, window.highest_strike, window.atm, tuple(leg.instrument_id for leg in found)
        )
    return placed


def set_window(claims: Sequence[Claim], instrument_ids: Sequence[int], *, actor: str, now: datetime) -> int:
    """Make all claims of one window hold exactly these instruments; return how many legs changed.

    New edge strikes are subscribed, old ones released, the middle stays untouched. Nothing is written where they
    hold them already. Raises CapacityExceeded.
    """
    if not claims or _held_by(claims[0]) == set(instrument_ids):
        return 0
    lost = legs.let_go({claim.pk: Tier(claim.tier) for claim in claims}, keeping=instrument_ids)
    gained = legs.hold({claim.pk: instrument_ids for claim in claims}, now=now)
    audit.record(
        [audit.holder_of(claim) for claim in claims],
        action=LogAction.RECENTRE,
        cause=Cause(LogReason.WINDOW_MOVED, actor, now),
        gained=gained,
        lost=lost,
    )
    return len(lost) + len(gained)


def _held_by(claim: Claim) -> set[int]:
    return set(ClaimLeg.objects.filter(claim=claim).values_list("subscription__instrument_id", flat=True))
