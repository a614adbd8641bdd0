"""Finds an underlying, an equity or an index by name.

Of a name on several exchanges the order is NSE, MCX, BSE, except that an underlying with options precedes one without:
SILVER is the commodity, not the fund.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.utils import timezone

from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import EXCHANGE_OF, OPTION_SEGMENT_OF, Exchange, ExchangeSegment, InstrumentType
from marketdata.domain.symbols import Spelling, list_spellings, split_exchange
from marketdata.models import Instrument

IST: Final = ZoneInfo("Asia/Kolkata")
EXCHANGE_ORDER: Final = (Exchange.NSE, Exchange.MCX, Exchange.BSE)
CASH_TYPES: Final = (InstrumentType.INDEX, InstrumentType.EQUITY)
MAX_QUOTED: Final = 64  # Chosen: the length of the longest symbol; a longer text of a caller is cut in answers.


class UnderlyingKind(StrEnum):
    """Kind of an underlying."""

    INDEX = "index"
    EQUITY = "equity"
    COMMODITY = "commodity"
    CURRENCY = "currency"


class UnknownSymbol(DomainError):
    """No listed instrument has this name."""

    code = "unknown_symbol"


@dataclass(frozen=True, slots=True)
class Underlying:
    """An underlying of derivatives at one exchange.

    `instrument_id` is the index or equity whose LTP is the spot; None for commodities and currencies, whose options
    are written on futures. `option_segment` is None without listed options.
    """

    symbol: str
    exchange: Exchange
    option_segment: ExchangeSegment | None
    instrument_id: int | None
    kind: UnderlyingKind
    derivative_segment: ExchangeSegment | None = None


def market_today() -> date:
    """Return the market's date, by which contracts expire: today in IST, or MARKET_DATE where it is set."""
    return settings.MARKET_DATE or timezone.localdate(timezone=IST)


def market_now(now: datetime | None = None) -> datetime:
    """Return the market's moment, by which sessions end: `now`, by default the clock.

    Where MARKET_DATE replaces another date it is the start of that day in IST: the clock tells nothing about its hours.
    """
    moment = now or timezone.now()
    today = market_today()
    if settings.MARKET_DATE is None or moment.astimezone(IST).date() == today:
        return moment
    return datetime.combine(today, time(), tzinfo=IST)


def find_underlying(*, symbol: str, exchange: str | None = None) -> Underlying:
    """Return the underlying named `symbol`, in any spelling of `list_spellings`, with an exchange prefix or without.

    Raises UnknownSymbol.
    """
    spellings = spell(symbol, exchange)
    for one in spellings:
        found = [each for each in _list_underlyings(one.symbol) if one.exchange in {None, each.exchange}]
        if found:
            return min(found, key=_order)
    raise _unknown(spellings)


def get_equity(*, symbol: str, exchange: str | None = None) -> Instrument:
    """Return the listed share, fund or bond with that token, in any spelling. Raises UnknownSymbol."""
    return _get_cash(symbol, exchange, (InstrumentType.EQUITY,))


def get_index(*, symbol: str, exchange: str | None = None) -> Instrument:
    """Return the listed index of that symbol. Raises UnknownSymbol."""
    return _get_cash(symbol, exchange, (InstrumentType.INDEX,))


def get_instrument_by_id(*, instrument_id: int) -> Instrument:
    """Return the instrument, listed or not. Raises `Instrument.DoesNotExist`."""
    return Instrument.objects.get(pk=instrument_id)


def list_instruments(*, instrument_ids: Collection[int]) -> Mapping[int, Instrument]:
    """Return those of these instruments that exist, listed or not, by id."""
    return Instrument.objects.in_bulk(list(instrument_ids))


def list_existing(instrument_ids: Collection[int]) -> Sequence[int]:
    """Return the ids that exist, listed or not, each once, in the given order."""
    existing = set(Instrument.objects.filter(pk__in=instrument_ids).values_list("pk", flat=True))
    return [one for one in dict.fromkeys(instrument_ids) if one in existing]


def is_token_prefixed(instruments: Sequence[tuple[Exchange, str]]) -> Sequence[bool]:
    """Return for each (exchange, underlying symbol) whether its tokens need the exchange as a prefix.

    They do if an earlier exchange in the order lists the same symbol: BSE:RELIANCE.
    """
    bse = {symbol for exchange, symbol in instruments if exchange is Exchange.BSE}
    if not bse:
        return [False] * len(instruments)
    with connection.cursor() as cursor:
        cursor.execute(_ELSEWHERE_SQL, {"symbols": sorted(bse), "segments": _SEGMENTS_BEFORE_BSE})
        elsewhere = {symbol for (symbol,) in cursor.fetchall()}
    return [exchange is Exchange.BSE and symbol in elsewhere for exchange, symbol in instruments]


def parse_exchange(text: str) -> Exchange:
    """Return the exchange of that name. Raises UnknownSymbol."""
    try:
        return Exchange(text.strip().upper())
    except ValueError:
        raise UnknownSymbol(
            f"There is no exchange {text[:MAX_QUOTED]!r}; it is NSE, BSE or MCX.", exchange=text[:MAX_QUOTED]
        ) from None


def spell(symbol: str, exchange: str | None) -> Sequence[Spelling]:
    """Return the spellings of a caller's `symbol`, most literal first; `exchange` overrides the one in the symbol."""
    prefixed, name = split_exchange(symbol)
    wanted = parse_exchange(exchange) if exchange else prefixed
    spellings = list_spellings(name) or (Spelling(name),)
    return [replace(one, exchange=wanted or one.exchange) for one in spellings]


def _unknown(spellings: Sequence[Spelling]) -> UnknownSymbol:
    name, exchange = spellings[0].symbol[:MAX_QUOTED], spellings[0].exchange
    where = f" on {exchange}" if exchange else ""
    return UnknownSymbol(f"No instrument named {name!r} is listed{where}.", symbol=name)


def _get_cash(symbol: str, exchange: str | None, types: Sequence[InstrumentType]) -> Instrument:
    spellings = spell(symbol, exchange)
    for one in spellings:
        rows = Instrument.objects.filter(is_listed=True, token=one.symbol, instrument_type__in=types)
        if found := order_by_exchange(rows, one.exchange).first():
            return found
    raise _unknown(spellings)


def order_by_exchange(rows: QuerySet[Instrument], wanted: Exchange | None) -> QuerySet[Instrument]:
    """Return `rows` of the wanted exchange, or of all in the order of EXCHANGE_ORDER; ties by id."""
    if wanted is not None:
        rows = rows.filter(exchange=wanted)
    order = [When(exchange=exchange, then=Value(rank)) for rank, exchange in enumerate(EXCHANGE_ORDER)]
    return rows.order_by(Case(*order, output_field=IntegerField()), "id")


def _order(underlying: Underlying) -> tuple[bool, bool, int]:
    return (
        underlying.option_segment is None,
        underlying.derivative_segment is None,
        EXCHANGE_ORDER.index(underlying.exchange),
    )


_SEGMENTS_BEFORE_BSE: Final = [
    int(segment) for segment, exchange in EXCHANGE_OF.items() if exchange is not Exchange.BSE
]

_ELSEWHERE_SQL: Final = """
SELECT symbol FROM unnest(%(symbols)s::text[]) AS symbol
WHERE EXISTS (SELECT FROM instruments i WHERE i.is_listed AND i.underlying_symbol = symbol
              AND i.exchange_segment = ANY(%(segments)s::smallint[]))
"""

_DERIVATIVE_SEGMENTS: Final = (
    ExchangeSegment.NSE_FNO,
    ExchangeSegment.MCX_COMM,
    ExchangeSegment.BSE_FNO,
    ExchangeSegment.NSE_CURRENCY,
    ExchangeSegment.BSE_CURRENCY,
)

# One index probe per segment: counting the contracts of a symbol would read thousands of entries.
_DERIVATIVES_SQL: Final = """
SELECT segment,
       EXISTS (SELECT FROM instruments i WHERE i.is_listed AND i.underlying_symbol = %(symbol)s
               AND i.exchange_segment = segment AND i.expiry >= %(today)s AND i.strike IS NOT NULL),
       (SELECT i.instrument_type FROM instruments i WHERE i.is_listed AND i.underlying_symbol = %(symbol)s
        AND i.exchange_segment = segment AND i.expiry >= %(today)s LIMIT 1)
FROM unnest(%(segments)s::smallint[]) AS segment
"""


def _list_underlyings(symbol: str) -> Sequence[Underlying]:
    cash = Instrument.objects.filter(is_listed=True, token=symbol, instrument_type__in=CASH_TYPES)
    spots = {Exchange(one.exchange): one for one in cash.only("id", "exchange", "instrument_type")}
    segments = [int(segment) for segment in _DERIVATIVE_SEGMENTS]
    with connection.cursor() as cursor:
        cursor.execute(_DERIVATIVES_SQL, {"symbol": symbol, "today": market_today(), "segments": segments})
        traded = {ExchangeSegment(segment): (options, kind) for segment, options, kind in cursor.fetchall() if kind}
    found = [_derived(symbol, segment, spots, traded[segment]) for segment in traded]
    covered = {one.exchange for one in found if one.instrument_id is not None}
    return found + [
        Underlying(symbol, exchange, None, spot.pk, UnderlyingKind(spot.instrument_type.lower()))
        for exchange, spot in spots.items()
        if exchange not in covered
    ]


def _derived(
    symbol: str, segment: ExchangeSegment, spots: dict[Exchange, Instrument], traded: tuple[bool, str]
) -> Underlying:
    has_options, sample = traded
    exchange = EXCHANGE_OF[segment]
    has_served_options = has_options and OPTION_SEGMENT_OF[exchange] is segment
    kind = _kind(segment, InstrumentType(sample))
    spot = spots.get(exchange) if kind in {UnderlyingKind.INDEX, UnderlyingKind.EQUITY} else None
    return Underlying(
        symbol=symbol,
        exchange=exchange,
        option_segment=segment if has_served_options else None,
        instrument_id=spot.pk if spot else None,
        kind=kind,
        derivative_segment=segment,
    )


def _kind(segment: ExchangeSegment, derivative: InstrumentType) -> UnderlyingKind:
    if segment is ExchangeSegment.MCX_COMM:
        return UnderlyingKind.COMMODITY
    if segment in {ExchangeSegment.NSE_CURRENCY, ExchangeSegment.BSE_CURRENCY}:
        return UnderlyingKind.CURRENCY
    is_index = derivative in {InstrumentType.OPTIDX, InstrumentType.FUTIDX}
    return UnderlyingKind.INDEX if is_index else UnderlyingKind.EQUITY
