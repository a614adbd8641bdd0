"""Opening the window of a chain: which price it is centered on, and when it is calculated again.

One window per series and width, shared by all who watch it, so it moves only for a reason (design: ATM). The
price comes from the quote board, else from the broker's snapshot, else from the caller, else from the last
calculation.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from marketdata import selectors
from marketdata.domain import chain
from marketdata.domain.instruments import SeriesKey
from marketdata.models import AtmCache
from marketdata.selectors import Leg, Price, PriceSource, PriceUnknown, SeriesListing

WindowKey = tuple[SeriesKey, int]


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
    is_new: bool = False  # calculated just now, and not remembered by its finding


# As found, or as kept by an earlier finding.
KnownWindow = OpenWindow | AtmCache


def open_window(
    *,
    listing: SeriesListing,
    width: int,
    caller_ltp: Decimal | None,
    now: datetime,
    opened_anew: bool = False,
    is_look: bool = False,
    is_held: bool = False,
) -> OpenWindow:
    """Return the window to show or claim, calculated again only when that is due, and remember it.

    `opened_anew` says that nobody holds this window, so that moving it concerns nobody. A look (nothing is claimed)
    never moves a window that is remembered already, for somebody may hold its legs; where the caller knows that
    somebody does (`is_held`), it is shown where it is held. Raises PriceUnknown.
    """
    cached = _find_cached(listing.series, width)
    if is_look and is_held and cached is not None and cached.atm in listing.strikes:
        return _opened(cached, listing.series, Price(cached.ltp, PriceSource.CACHE, cached.calculated_at))
    price = _price_of(listing, caller_ltp=caller_ltp, cached=cached, now=now)
    found = _find(listing, width, price=price, cached=cached, opened_anew=opened_anew, now=now)
    if not found.is_new:
        return found
    if not is_look:
        remember_windows([found])
    elif cached is None and price.source is not PriceSource.CALLER:
        _write([_row(found)], replace=False)
    return found


def find_window(
    *, listing: SeriesListing, width: int, caller_ltp: Decimal | None, now: datetime, opened_anew: bool = False
) -> OpenWindow:
    """Return the window as `open_window` does, and remember nothing: whoever claims it does, in one transaction."""
    cached = _find_cached(listing.series, width)
    price = _price_of(listing, caller_ltp=caller_ltp, cached=cached, now=now)
    return _find(listing, width, price=price, cached=cached, opened_anew=opened_anew, now=now)


def find_windows(
    *,
    listings: Mapping[WindowKey, SeriesListing],
    prices: Mapping[int, Price],
    now: datetime,
    opened_anew: Collection[WindowKey] = (),
) -> Mapping[WindowKey, OpenWindow]:
    """Return windows of many series as `find_window` does, in one query; `prices` has all their spots."""
    stored = selectors.list_windows(wanted=listings)
    return {
        key: _find(
            listing,
            key[1],
            price=prices[listing.spot_instrument_id],
            cached=stored.get(key),
            opened_anew=key in opened_anew,
            now=now,
        )
        for key, listing in listings.items()
    }


def remember_windows(windows: Iterable[OpenWindow]) -> None:
    """Keep these calculations, whatever was kept before, in one statement."""
    _write([_row(window) for window in windows], replace=True)


def legs_in_window(listing: SeriesListing, window: KnownWindow) -> tuple[Leg, ...]:
    """Return the legs of `listing` whose strikes lie in `window`; a one-sided strike has one."""
    return listing.legs_between(window.lowest_strike, window.highest_strike)


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
    if quote is not None and quote.ltp is not None and quote.source is not PriceSource.EARLIER:
        return Price(quote.ltp, quote.source, quote.at)
    if cached is not None and caller_ltp is None and now - cached.calculated_at <= chain.MAX_AGE:
        # The broker allows one snapshot request a second to the whole account.
        return Price(cached.ltp, PriceSource.CACHE, cached.calculated_at)
    ltp = selectors.find_broker_ltp(instrument_id=listing.spot_instrument_id)
    if ltp is not None:
        return Price(ltp, PriceSource.SNAPSHOT, now)
    if quote is not None and quote.ltp is not None:
        return Price(quote.ltp, quote.source, quote.at)
    if caller_ltp is not None:
        return Price(caller_ltp, PriceSource.CALLER, now)
    if cached is not None:
        return Price(cached.ltp, PriceSource.CACHE, cached.calculated_at)
    raise PriceUnknown(
        f"no price for {listing.series.underlying}: it is not streaming, the broker has no snapshot, and none was "
        "given as underlying_ltp",
        symbol=listing.series.underlying,
    )


def _find(
    listing: SeriesListing, width: int, *, price: Price, cached: AtmCache | None, opened_anew: bool, now: datetime
) -> OpenWindow:
    if cached is not None and not _is_due(cached, listing, price, opened_anew=opened_anew, now=now):
        return _opened(cached, listing.series, price)
    found = chain.window(listing.strikes, ltp=price.ltp, width=width)
    return OpenWindow(
        series=listing.series,
        width=width,
        ltp=price.ltp,
        atm=found.atm,
        strike_step=found.strike_step,
        lowest_strike=found.strikes[0],
        highest_strike=found.strikes[-1],
        calculated_at=now,
        spot=price,
        is_new=True,
    )


def _row(window: OpenWindow) -> AtmCache:
    return AtmCache(
        exchange_segment=window.series.segment,
        underlying_symbol=window.series.underlying,
        expiry=window.series.expiry,
        width=window.width,
        ltp=window.ltp,
        atm=window.atm,
        strike_step=window.strike_step,
        lowest_strike=window.lowest_strike,
        highest_strike=window.highest_strike,
        calculated_at=window.calculated_at,
    )


def _write(rows: Sequence[AtmCache], *, replace: bool) -> None:
    if not replace:
        AtmCache.objects.bulk_create(rows, ignore_conflicts=True)
        return
    AtmCache.objects.bulk_create(
        rows,
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
