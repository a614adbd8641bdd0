"""Opening the window of a chain: which price it is centered on, and when it is calculated again.

One window per series and width, shared by all who watch it, so it moves only for a reason (design: ATM). The
price comes from the quote board, else from the broker's snapshot, else from the caller, else from the last
calculation.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from marketdata import selectors
from marketdata.domain import chain
from marketdata.domain.instruments import SeriesKey
from marketdata.models import AtmCache
from marketdata.selectors import Leg, Price, PriceSource, PriceUnknown, SeriesListing


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """The window of one series at one width, as last calculated (`ltp`, `calculated_at`), and the price now."""

    series: SeriesKey
    width: int
    ltp: Decimal
    atm: Decimal
    strike_step: Decimal
    lowest_strike: Decimal
    highest_strike: Decimal
    calculated_at: datetime
    spot: Price


def open_window(
    *,
    listing: SeriesListing,
    width: int,
    caller_ltp: Decimal | None,
    now: datetime,
    price: Price | None = None,
    opened_anew: bool = False,
    is_look: bool = False,
) -> OpenWindow:
    """Return the window to show or claim, calculated again only when that is due, and remember it.

    `price` is the spot's, where the caller has just asked for many at once; else the sources are asked here.
    `opened_anew` says that nobody holds this window, so that moving it concerns nobody. A look (nothing is
    claimed) does not remember what it calculated from the caller's own price. Raises PriceUnknown.
    """
    cached = _find_cached(listing.series, width)
    if price is None:
        price = _price_of(listing, caller_ltp=caller_ltp, cached=cached, now=now)
    if cached is not None and not _is_due(cached, listing, price, opened_anew=opened_anew, now=now):
        return _opened(cached, listing.series, price)
    calculated = _calculate(listing, width=width, ltp=price.ltp, now=now)
    if not (is_look and price.source is PriceSource.CALLER):
        _remember(calculated)
    return _opened(calculated, listing.series, price)


def legs_in_window(listing: SeriesListing, window: OpenWindow | AtmCache) -> tuple[Leg, ...]:
    """Return the legs of `listing` whose strikes lie in `window`; a one-sided strike has one."""
    return tuple(leg for leg in listing.legs if window.lowest_strike <= leg.strike <= window.highest_strike)


def _is_due(cached: AtmCache, listing: SeriesListing, price: Price, *, opened_anew: bool, now: datetime) -> bool:
    if cached.atm not in listing.strikes:
        return True
    if price.source is PriceSource.CACHE:
        return False
    return opened_anew or chain.is_recalculation_due(cached, ltp=price.ltp, now=now)


def _find_cached(series: SeriesKey, width: int) -> AtmCache | None:
    return AtmCache.objects.filter(
        exchange_segment=series.segment, underlying_symbol=series.underlying, expiry=series.expiry, width=width
    ).first()


def _price_of(listing: SeriesListing, *, caller_ltp: Decimal | None, cached: AtmCache | None, now: datetime) -> Price:
    quote = selectors.find_quote(instrument_id=listing.spot_instrument_id)
    if quote is not None and quote.ltp is not None:
        return Price(quote.ltp, quote.source, quote.at)
    if cached is not None and caller_ltp is None and now - cached.calculated_at <= chain.MAX_AGE:
        # The broker allows one snapshot request a second to the whole account.
        return Price(cached.ltp, PriceSource.CACHE, cached.calculated_at)
    ltp = selectors.find_broker_ltp(instrument_id=listing.spot_instrument_id)
    if ltp is not None:
        return Price(ltp, PriceSource.SNAPSHOT, now)
    if caller_ltp is not None:
        return Price(caller_ltp, PriceSource.CALLER, now)
    if cached is not None:
        return Price(cached.ltp, PriceSource.CACHE, cached.calculated_at)
    raise PriceUnknown(
        f"no price for {listing.series.underlying}: it is not streaming, the broker has no snapshot, and none was "
        "given as underlying_ltp",
        symbol=listing.series.underlying,
    )


def _calculate(listing: SeriesListing, *, width: int, ltp: Decimal, now: datetime) -> AtmCache:
    found = chain.window(listing.strikes, ltp=ltp, width=width)
    return AtmCache(
        exchange_segment=listing.series.segment,
        underlying_symbol=listing.series.underlying,
        expiry=listing.series.expiry,
        width=width,
        ltp=ltp,
        atm=found.atm,
        strike_step=found.strike_step,
        lowest_strike=found.strikes[0],
        highest_strike=found.strikes[-1],
        calculated_at=now,
    )


def _remember(calculation: AtmCache) -> None:
    AtmCache.objects.bulk_create(
        [calculation],
        update_conflicts=True,
        unique_fields=["exchange_segment", "underlying_symbol", "expiry", "width"],
        update_fields=["ltp", "atm", "strike_step", "lowest_strike", "highest_strike", "calculated_at"],
    )


def _opened(cached: AtmCache, series: SeriesKey, price: Price) -> OpenWindow:
    return OpenWindow(
        series=series,
        width=cached.width,
        ltp=cached.ltp,
        atm=cached.atm,
        strike_step=cached.strike_step,
        lowest_strike=cached.lowest_strike,
        highest_strike=cached.highest_strike,
        calculated_at=cached.calculated_at,
        spot=price,
    )
