"""The instrument whose price a chart of an underlying shows."""

from datetime import date, datetime

from marketdata.models import Instrument
from marketdata.selectors.contracts import get_future
from marketdata.selectors.named_symbols import resolve_symbol
from marketdata.selectors.series import get_series
from marketdata.selectors.underlyings import get_instrument_by_id


def get_chart_instrument(
    *, symbol: str, exchange: str | None = None, expiry: date | None = None, now: datetime | None = None
) -> Instrument:
    """Return the spot of the options on `symbol` that expire at `expiry`; without it the index, the share or a future.

    The options of a commodity are written on its futures: each expiry has its own, and without one the nearest stands
    for all. Raises UnknownSymbol, UnknownExpiry, NoSpot, and the errors of `resolve_symbol`.
    """
    named = resolve_symbol(symbol=symbol, exchange=exchange, expiry=expiry)
    underlying = named.underlying
    is_of_series = underlying.option_segment is not None and (named.expiry or underlying.instrument_id is None)
    if is_of_series:
        listing = get_series(underlying=underlying, expiry=named.expiry, now=now)
        return get_instrument_by_id(instrument_id=listing.spot_instrument_id)
    if underlying.instrument_id is not None:
        return get_instrument_by_id(instrument_id=underlying.instrument_id)
    return get_future(symbol=underlying.symbol, exchange=underlying.exchange.value, now=now)
