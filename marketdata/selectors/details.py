"""What the listing says of one instrument, for a page that shows its details."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min

from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from marketdata.models import Instrument
from marketdata.selectors.contracts import list_over
from marketdata.selectors.underlyings import UnknownSymbol, find_underlying, market_today


@dataclass(frozen=True, slots=True)
class InstrumentDetails:
    """A listed instrument. `series` and `series_id`, the id of the analytics, are of an option.

    `has_options`: there is an option chain of its underlying. `is_over`: the last session of the contract has ended.
    """

    instrument: Instrument
    series: SeriesKey | None
    series_id: int | None
    has_options: bool
    is_over: bool


def get_instrument_details(*, instrument_id: int, now: datetime) -> InstrumentDetails:
    """Return the details of an instrument. Raises UnknownSymbol if none with this id is listed."""
    instrument = Instrument.objects.filter(pk=instrument_id, is_listed=True).first()
    if instrument is None or (instrument.expiry is not None and instrument.expiry < market_today()):
        raise UnknownSymbol(f"No instrument {instrument_id} is listed, or no longer.")
    segment, expiry = ExchangeSegment(instrument.exchange_segment), instrument.expiry
    series = SeriesKey(segment, instrument.underlying_symbol, expiry) if expiry and instrument.option_type else None
    return InstrumentDetails(
        instrument,
        series,
        None if series is None else _series_id(series),
        has_options=series is not None or _has_options(instrument),
        is_over=expiry is not None and bool(list_over(contracts=[(segment, expiry)], now=now)),
    )


def _series_id(series: SeriesKey) -> int | None:
    """Return the least id of the options of a series, as `SeriesListing.series_id`."""
    options = Instrument.objects.filter(
        is_listed=True,
        exchange_segment=series.segment,
        underlying_symbol=series.underlying,
        expiry=series.expiry,
        strike__isnull=False,
    )
    found: int | None = options.aggregate(least=Min("pk"))["least"]
    return found


def _has_options(instrument: Instrument) -> bool:
    try:
        underlying = find_underlying(symbol=instrument.underlying_symbol, exchange=instrument.exchange)
    except UnknownSymbol:
        return False
    return underlying.option_segment is not None
