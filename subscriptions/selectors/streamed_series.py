"""The option series of which at least one option is subscribed, for the analytics worker."""

from collections.abc import Sequence
from typing import Final

from django.db import connection

from marketdata import selectors as market_selectors
from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from marketdata.selectors import SeriesListing

# Options only: shares and futures have no strike.
_SERIES_SQL: Final = """
SELECT DISTINCT i.exchange_segment, i.underlying_symbol, i.expiry
FROM subscriptions s JOIN instruments i ON i.id = s.instrument_id
WHERE i.strike IS NOT NULL
ORDER BY 1, 2, 3
"""


def list_streamed_keys() -> Sequence[SeriesKey]:
    """Return the series of which at least one option is subscribed; those that have expired are among them."""
    with connection.cursor() as cursor:
        cursor.execute(_SERIES_SQL)
        return [SeriesKey(ExchangeSegment(segment), symbol, expiry) for segment, symbol, expiry in cursor.fetchall()]


def list_streamed_series() -> list[tuple[SeriesListing, int | None]]:
    """Return each series with the instrument whose price is its forward; None where no such future is listed.

    That is the future of the same expiry; at MCX the options are written on a future, which is their spot. Series whose
    expiry has passed, or whose underlying is not listed, are left out.
    """
    keys = list_streamed_keys()
    listings = market_selectors.list_series(keys=keys)
    underlyings = {(key.segment, key.underlying) for key in listings}
    contracts = market_selectors.list_contracts(underlyings=underlyings, from_date=market_selectors.market_today())
    found: list[tuple[SeriesListing, int | None]] = []
    for key in keys:
        if key in listings:
            listing = listings[key]
            futures = {one.expiry: one.instrument_id for one in contracts[key.segment, key.underlying].futures}
            own = listing.spot_instrument_id if key.segment is ExchangeSegment.MCX_COMM else None
            found.append((listing, futures.get(key.expiry, own)))
    return found
