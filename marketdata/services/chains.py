"""Chains: a listed series at one width, with its window and the price of its spot.

Here: where the price comes from, and whether the stored window (`atm_cache`) still holds. The stored window is shared
by all claims of the chain and moves together with their legs, so claims decide who may store one: see
`subscriptions.services.claims` and docs/decisions/0011-one-view-of-a-chain.md.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db import connection

from marketdata import notices, selectors
from marketdata.domain.chain import MAX_AGE, Window, WindowKey, calculate_window, is_recalculation_due
from marketdata.domain.changes import Changes
from marketdata.domain.instruments import SeriesKey
from marketdata.models import AtmCache
from marketdata.selectors import Leg, Price, PriceSource, PriceUnknown, SeriesListing
from marketdata.services.price_requests import request_spot


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain that is ready to be shown or claimed: its listing, its window, the price of its spot.

    `window` is calculated from `spot` when the chain is opened; `with_current_window` replaces it by the stored one
    while that one holds.
    """

    listing: SeriesListing
    width: int
    window: Window
    spot: Price

    @property
    def key(self) -> WindowKey:
        """Series and width."""
        return WindowKey(self.listing.series, self.width)

    @property
    def legs(self) -> tuple[Leg, ...]:
        """The legs inside the window, by strike, call before put."""
        return self.listing.legs_in(self.window)

    @property
    def instrument_ids(self) -> tuple[int, ...]:
        """The instruments of `legs`, in the same order."""
        return self.listing.instrument_ids_in(self.window)


def open_chain(*, listing: SeriesListing, width: int, caller_ltp: Decimal | None = None, now: datetime) -> Chain:
    """Return the chain with a window calculated from the price of now. Raises PriceUnknown, BoardError.

    May send a request to the broker: call it before a transaction. It writes nothing.
    """
    key = WindowKey(listing.series, width)
    return chain_at(listing=listing, width=width, price=_find_price(key, listing, caller_ltp, now), now=now)


def chain_at(*, listing: SeriesListing, width: int, price: Price, now: datetime) -> Chain:
    """Return the chain with a window calculated from `price`."""
    return Chain(listing, width, calculate_window(listing.strikes, ltp=price.ltp, width=width, now=now), price)


def stored_chain(*, listing: SeriesListing, width: int, stored: Window) -> Chain:
    """Return the chain at its stored window, with the newest price that is at hand; the broker is not asked."""
    price = selectors.list_prices(instrument_ids=[listing.spot_instrument_id]).get(listing.spot_instrument_id)
    return Chain(listing, width, stored, price or _price_of(stored))


def with_current_window(chain: Chain, stored: Window | None, *, is_opening: bool = False) -> Chain:
    """Return `chain` with the stored window while that holds, else with the window calculated for it.

    `is_opening`: no claim holds the chain yet, or a browser opens it. The rule is that of design.md, section 4, ATM.
    """
    # 1. Nothing is stored for this series and width, as after a change of the expiry; or the stored ATM is no longer
    #    listed, so that no strike of the screen would be ATM.
    if stored is None or stored.atm not in chain.listing.strikes:
        return chain
    mine = chain.window
    # 2. Two processes may open a chain at the same time: an earlier calculation never replaces a later one. A price
    #    that came from the stored window says nothing new.
    is_newer = chain.spot.source is not PriceSource.CACHE and mine.calculated_at >= stored.calculated_at
    # 3. The chain is being opened, the price moved by a strike step, or the calculation is older than five minutes.
    if is_newer and (is_opening or is_recalculation_due(stored, ltp=mine.ltp, now=mine.calculated_at)):
        return chain
    return replace(chain, window=stored)


def store_windows(chains: Sequence[Chain]) -> None:
    """Store the windows of these chains over earlier calculations, in one statement."""
    AtmCache.objects.bulk_create(
        [_row(chain) for chain in chains],
        update_conflicts=True,
        unique_fields=["exchange_segment", "underlying_symbol", "expiry", "width"],
        update_fields=["ltp", "atm", "strike_step", "lowest_strike", "highest_strike", "calculated_at"],
    )
    notices.publish_on_commit(Changes(series=frozenset(chain.key.series for chain in chains)))


def store_first_window(chain: Chain) -> None:
    """Store the window of a chain unless one is stored already."""
    AtmCache.objects.bulk_create([_row(chain)], ignore_conflicts=True)


def move_windows(series: Mapping[SeriesKey, SeriesKey], *, claimed: Collection[SeriesKey]) -> None:
    """Give the stored windows of former series to the present ones.

    A window that is stored there already stays if its series is `claimed`; otherwise only views have stored it.
    """
    # Two former series may have become one: the windows of the first are taken.
    former_of: dict[SeriesKey, SeriesKey] = {}
    for former, present in series.items():
        former_of.setdefault(present, former)
    with connection.cursor() as cursor:
        cursor.execute(_DELETE_WINDOWS, _columns(former_of.keys() - claimed))
        cursor.execute(_MOVE_WINDOWS, [*_columns(former_of.values()), *_columns(former_of)])
        cursor.execute(_DELETE_WINDOWS, _columns(series.keys() - former_of.keys()))
    notices.publish_on_commit(Changes(series=frozenset(series) | frozenset(series.values())))


def _columns(keys: Iterable[SeriesKey]) -> list[list[object]]:
    rows = [(int(key.segment), key.underlying, key.expiry) for key in keys]
    return [[row[place] for row in rows] for place in range(3)]


_MOVE_WINDOWS: Final = """
UPDATE atm_cache AS stored
SET exchange_segment = moved.segment, underlying_symbol = moved.symbol, expiry = moved.expiry
FROM unnest(%s::smallint[], %s::varchar[], %s::date[], %s::smallint[], %s::varchar[], %s::date[])
    AS moved (former_segment, former_symbol, former_expiry, segment, symbol, expiry)
WHERE (stored.exchange_segment, stored.underlying_symbol, stored.expiry)
        = (former_segment, former_symbol, former_expiry)
    AND NOT EXISTS (
        SELECT FROM atm_cache AS other WHERE other.width = stored.width
        AND (other.exchange_segment, other.underlying_symbol, other.expiry)
            = (moved.segment, moved.symbol, moved.expiry)
    )
"""
_DELETE_WINDOWS: Final = """
DELETE FROM atm_cache AS stored
USING unnest(%s::smallint[], %s::varchar[], %s::date[]) AS former (segment, symbol, expiry)
WHERE (stored.exchange_segment, stored.underlying_symbol, stored.expiry)
    = (former.segment, former.symbol, former.expiry)
"""


def _find_price(key: WindowKey, listing: SeriesListing, caller_ltp: Decimal | None, now: datetime) -> Price:
    """Return the price of the spot: live quote, broker, quote from before an outage, caller, stored window."""
    spot_id = listing.spot_instrument_id
    quote = selectors.list_prices(instrument_ids=[spot_id]).get(spot_id)
    if quote is not None and quote.source is not PriceSource.EARLIER:
        return quote
    stored = selectors.find_window(key=key)
    if stored is not None and caller_ltp is None and now - stored.calculated_at <= MAX_AGE:
        # The broker allows the whole account one snapshot request a second: a recent calculation saves it.
        return _price_of(stored)
    # Before the quote from an earlier connection: the broker's answer is of now.
    snapshot = request_spot(instrument_id=spot_id, now=now)
    if snapshot is not None:
        return snapshot
    if quote is not None:
        return quote
    if caller_ltp is not None:
        return Price(caller_ltp, PriceSource.CALLER, now)
    if stored is not None:
        return _price_of(stored)
    raise PriceUnknown(
        f"no price for {listing.series.underlying}: it is not streaming, the broker has no snapshot, and none was "
        "given as underlying_ltp",
        symbol=listing.series.underlying,
    )


def _price_of(stored: Window) -> Price:
    return Price(stored.ltp, PriceSource.CACHE, stored.calculated_at)


def _row(chain: Chain) -> AtmCache:
    series, window = chain.listing.series, chain.window
    return AtmCache(
        exchange_segment=series.segment,
        underlying_symbol=series.underlying,
        expiry=series.expiry,
        width=chain.width,
        ltp=window.ltp,
        atm=window.atm,
        strike_step=window.strike_step,
        lowest_strike=window.lowest_strike,
        highest_strike=window.highest_strike,
        calculated_at=window.calculated_at,
    )
