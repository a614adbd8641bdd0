"""Factories of database rows: plain functions with keyword defaults.

They return models; many rows are written with `bulk_create`. Defaults describe the market of
10 February 2026: NIFTY about 25,000, RELIANCE about 2,600, CRUDEOIL about 5,800 rupees.
"""

import asyncio
import atexit
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache

import numpy as np
import redis.asyncio
from django.conf import settings
from django.db import connection
from django.db.models import Max

from accounts.models import User
from marketdata import quote_board, selectors, services
from marketdata.domain.instruments import (
    EXCHANGE_OF,
    Exchange,
    ExchangeSegment,
    InstrumentType,
    OptionType,
    SeriesKey,
    future_token,
    option_token,
)
from marketdata.domain.quote_rows import QUOTE_ROW, Known, Rows
from marketdata.models import Instrument
from marketdata.selectors import Leg, Price, PriceSource, SeriesListing
from marketdata.services import Chain
from watchlists.models import EntryKind
from watchlists.services import Added, add_entry

NOW = datetime(2026, 2, 10, 4, 30, tzinfo=UTC)  # 10:00 IST on a trading Tuesday
NEAR = date(2026, 2, 24)  # monthly
NEXT = date(2026, 3, 30)  # quarterly
WEEKLY = date(2026, 2, 17)
PASSWORD = "a long password"


@dataclass(frozen=True, slots=True)
class Listing:
    """What `make_listing` wrote: spots and futures by symbol, and the series of options."""

    spots: Mapping[str, Instrument]
    futures: Mapping[str, Sequence[Instrument]]
    series: Sequence[SeriesKey]

    def series_of(self, symbol: str) -> SeriesKey:
        """Return the nearest series of `symbol`."""
        return min(one for one in self.series if one.underlying == symbol)


def make_user(username: str = "trader1", *, is_staff: bool = False, password: str = PASSWORD) -> User:
    """Make one trader, or with `is_staff` one operator."""
    return User.objects.create_user(username=username, password=password, is_staff=is_staff)


def next_security_id() -> int:
    """Return an unused security id."""
    return 1 + (Instrument.objects.aggregate(highest=Max("security_id"))["highest"] or 1_000)


def make_index(
    symbol: str = "NIFTY", *, security_id: int | None = None, exchange: Exchange = Exchange.NSE
) -> Instrument:
    """Make one index."""
    return Instrument.objects.create(
        exchange_segment=ExchangeSegment.IDX_I,
        security_id=security_id or next_security_id(),
        exchange=exchange,
        instrument_type=InstrumentType.INDEX,
        underlying_symbol=symbol,
        token=symbol,
        display_name=symbol,
        lot_size=1,
        tick_size=Decimal("0.05"),
        first_seen_at=NOW,
        last_changed_at=NOW,
    )


def make_equity(
    symbol: str = "RELIANCE",
    *,
    security_id: int | None = None,
    segment: ExchangeSegment = ExchangeSegment.NSE_EQ,
) -> Instrument:
    """Make one share."""
    return Instrument.objects.create(
        exchange_segment=segment,
        security_id=security_id or next_security_id(),
        exchange=EXCHANGE_OF[segment],
        instrument_type=InstrumentType.EQUITY,
        underlying_symbol=symbol,
        token=symbol,
        display_name=symbol.title(),
        series="EQ",
        lot_size=1,
        tick_size=Decimal("0.05"),
        first_seen_at=NOW,
        last_changed_at=NOW,
    )


def make_equities(count: int, *, prefix: str = "STOCK") -> Sequence[Instrument]:
    """Make `count` shares with one insert."""
    return list(Instrument.objects.filter(pk__in=insert_equities(count, prefix=prefix)).order_by("security_id"))


_INSERT_EQUITIES = """
INSERT INTO instruments (
    exchange_segment, security_id, exchange, instrument_type, underlying_symbol, token, display_name, isin, series,
    option_type, lot_size, tick_size, is_listed, first_seen_at, last_changed_at
)
SELECT
    %(segment)s, %(first)s + number, %(exchange)s, %(kind)s, %(prefix)s || number, %(prefix)s || number, '', '', 'EQ',
    '', 1, 0.05, true, %(now)s, %(now)s
FROM generate_series(0, %(count)s - 1) AS number
RETURNING id
"""


def insert_equities(count: int, *, prefix: str) -> Sequence[int]:
    """Insert `count` shares without making models, which takes longer than the insert; return their ids."""
    values: dict[str, int | str | datetime] = {
        "segment": ExchangeSegment.NSE_EQ.value,
        "first": next_security_id(),
        "exchange": Exchange.NSE.value,
        "kind": InstrumentType.EQUITY.value,
        "prefix": prefix,
        "count": count,
        "now": NOW,
    }
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_EQUITIES, values)
        return [instrument_id for (instrument_id,) in cursor.fetchall()]


def make_future(
    symbol: str = "CRUDEOIL",
    *,
    expiry: date = date(2026, 2, 19),
    segment: ExchangeSegment = ExchangeSegment.MCX_COMM,
    underlying: Instrument | None = None,
) -> Instrument:
    """Make one future: of a commodity, of a share or of an index, by its segment and underlying."""
    kind = InstrumentType.FUTCOM
    if segment is not ExchangeSegment.MCX_COMM:
        is_index = underlying is not None and underlying.instrument_type == InstrumentType.INDEX
        kind = InstrumentType.FUTIDX if is_index else InstrumentType.FUTSTK
    return Instrument.objects.create(
        exchange_segment=segment,
        security_id=next_security_id(),
        exchange=EXCHANGE_OF[segment],
        instrument_type=kind,
        underlying_symbol=symbol,
        token=future_token(underlying=symbol, expiry=expiry),
        expiry=expiry,
        lot_size=100,
        tick_size=Decimal("0.05"),
        underlying=underlying,
        first_seen_at=NOW,
        last_changed_at=NOW,
    )


_OPTION_TYPE_OF = {
    InstrumentType.INDEX: InstrumentType.OPTIDX,
    InstrumentType.EQUITY: InstrumentType.OPTSTK,
    InstrumentType.FUTCOM: InstrumentType.OPTFUT,
}


def make_series(
    spot: Instrument,
    *,
    expiry: date = NEAR,
    segment: ExchangeSegment = ExchangeSegment.NSE_FNO,
    middle: int = 25_000,
    step: int = 50,
    strikes: int = 121,
    symbol: str | None = None,
) -> SeriesKey:
    """Make the options of one series: `strikes` strikes, `step` rupees apart, around `middle`, CE and PE each."""
    underlying = symbol or spot.underlying_symbol
    first_id = next_security_id()
    lowest = middle - step * (strikes // 2)
    legs = [(Decimal(lowest + step * number), option_type) for number in range(strikes) for option_type in OptionType]
    Instrument.objects.bulk_create(
        [
            Instrument(
                exchange_segment=segment,
                security_id=first_id + offset,
                exchange=EXCHANGE_OF[segment],
                instrument_type=_OPTION_TYPE_OF[InstrumentType(spot.instrument_type)],
                underlying_symbol=underlying,
                token=option_token(underlying=underlying, expiry=expiry, strike=strike, option_type=option_type),
                expiry=expiry,
                strike=strike,
                option_type=option_type,
                lot_size=65,
                tick_size=Decimal("0.05"),
                underlying=spot,
                first_seen_at=NOW,
                last_changed_at=NOW,
            )
            for offset, (strike, option_type) in enumerate(legs)
        ]
    )
    return SeriesKey(segment, underlying, expiry)


@dataclass(frozen=True, slots=True)
class SavedListing:
    """The listing of `make_listing` with its rows, as PostgreSQL copies them."""

    listing: Listing
    rows: bytes


_saved: list[SavedListing] = []
"""At most one. Hundreds of tests begin with this listing: the ORM writes it in 200 ms, a copy in 10 ms."""


def make_listing() -> Listing:
    """Make a small market: NIFTY (two expiries), RELIANCE and TCS (one each) and CRUDEOIL (two futures, one series)."""
    if Instrument.objects.exists():
        return _make_listing()  # Its security ids depend on the rows that exist.
    table = Instrument._meta.db_table
    with connection.cursor() as cursor:
        if not _saved:
            listing = _make_listing()
            with cursor.copy(f"COPY {table} TO STDOUT") as copied:
                _saved.append(SavedListing(listing, b"".join(copied)))
        else:
            # The ids are free: a sequence never goes back, and the rows of the other tests are gone.
            with cursor.copy(f"COPY {table} FROM STDIN") as copied:
                copied.write(_saved[0].rows)
    return deepcopy(_saved[0].listing)


def _make_listing() -> Listing:
    nifty = make_index("NIFTY", security_id=13)
    reliance = make_equity("RELIANCE", security_id=2885)
    tcs = make_equity("TCS", security_id=11536)
    crude = [make_future(expiry=date(2026, 2, 19)), make_future(expiry=date(2026, 3, 19))]
    series = [
        make_series(nifty, expiry=WEEKLY),
        make_series(nifty, expiry=NEAR),
        make_series(reliance, middle=2_600, step=20, strikes=41),
        make_series(tcs, middle=3_000, step=20, strikes=41),
        make_series(
            crude[0],
            expiry=date(2026, 2, 17),
            segment=ExchangeSegment.MCX_COMM,
            middle=5_800,
            step=50,
            strikes=41,
        ),
    ]
    spots = {"NIFTY": nifty, "RELIANCE": reliance, "TCS": tcs, "CRUDEOIL": crude[0]}
    return Listing(spots, {"CRUDEOIL": crude}, series)


def all_legs(listing: SeriesListing) -> Sequence[Leg]:
    """Return the legs of a whole series, through a window wider than the listing."""
    price = Price(listing.strikes[0], PriceSource.QUOTE)
    return services.chain_at(listing=listing, width=999, price=price, now=NOW).legs


def open_chain(series: SeriesKey, *, width: int = 25, now: datetime = NOW) -> Chain:
    return services.open_chain(listing=selectors.get_series_by_key(series), width=width, now=now)


def add_to_watchlist(user: User, symbol: str, kind: EntryKind, *, now: datetime = NOW, keep: bool = False) -> Added:
    return add_entry(user_id=user.pk, actor=user.username, symbol=symbol, kind=kind, keep=keep, now=now)


def put_prices(
    prices: Mapping[int, float], *, connection: int = 1, now: datetime = NOW, known: Known = Known.TRADE
) -> None:
    """Cache a live quote with an LTP on the quote board, by instrument id."""
    rows = np.zeros(len(prices), dtype=QUOTE_ROW)
    rows["instrument_id"] = list(prices)
    rows["ltp"] = list(prices.values())
    rows["known"] = int(known)
    rows["received_at_ms"] = int(now.timestamp() * 1_000)
    _cache(connection, rows, ())


def put_rows(rows: Rows, *, connection: int = 1) -> None:
    """Cache whole quotes on the quote board."""
    _cache(connection, rows, ())


def drop_prices(instrument_ids: Sequence[int], *, connection: int = 1) -> None:
    """Remove cached quotes from the quote board."""
    _cache(connection, np.zeros(0, dtype=QUOTE_ROW), instrument_ids)


def _cache(connection: int, rows: Rows, dropped: Sequence[int]) -> None:
    loop, client = _board_client(settings.REDIS_URL)
    board = quote_board.OwnerBoard(client, settings.REDIS_PREFIX)
    loop.run_until_complete(
        board.cache_rows(connection=connection, epoch=1, rows=rows, dropped=dropped, replace_all=False)
    )


@cache
def _board_client(url: str) -> tuple[asyncio.AbstractEventLoop, redis.asyncio.Redis]:
    """Return the event loop and the client of all writes to this Redis: new ones for each took 6 ms, a write 0.5 ms."""
    loop, client = asyncio.new_event_loop(), redis.asyncio.Redis.from_url(url)
    atexit.register(loop.close)
    atexit.register(lambda: loop.run_until_complete(client.aclose()))  # before the loop is closed
    return loop, client
