"""Series of options: their legs, spots and strikes.

An expired contract stays marked as listed until the next import, so every query here starts at the market's date.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from django.db import connection

from marketdata.domain.chain import Window
from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import (
    EXCHANGE_OF,
    Exchange,
    ExchangeSegment,
    InstrumentType,
    OptionType,
    SeriesKey,
)
from marketdata.selectors.contracts import (
    find_nearest,
    first_current_day,
    list_contracts,
    listed_contracts,
    unknown_expiry,
)
from marketdata.selectors.underlyings import Underlying, market_today

INDEX_WIDTH: Final = 101  # As commissioned (design, section 3): 50 + 1 + 50.
PLAIN_WIDTH: Final = 25  # As commissioned: 12 + 1 + 12.


class NoOptions(DomainError):
    """The underlying has no listed options."""

    code = "no_options"


class NoSpot(DomainError):
    """The underlying of the series is not listed, so its price is unknown."""

    code = "no_spot"


class Leg(NamedTuple):
    """One option of a series. A tuple, because one preload pass builds tens of thousands."""

    instrument_id: int
    strike: Decimal
    option_type: OptionType
    token: str
    lot_size: int
    tick_size: Decimal


# The fields of a leg, then the id of the underlying and the instrument type.
_OptionRow = tuple[int, Decimal, str, str, int, Decimal, int | None, str]


@dataclass(frozen=True, slots=True)
class SeriesListing:
    """All listed options of a series: strikes ascending, legs by strike, call before put.

    Legs are built on access: a preload pass needs one window of each series, not all legs.
    """

    series: SeriesKey
    spot_instrument_id: int
    strikes: tuple[Decimal, ...]
    default_width: int
    _rows: Sequence[_OptionRow]

    @property
    def exchange(self) -> Exchange:
        """The exchange that lists the series."""
        return EXCHANGE_OF[self.series.segment]

    @property
    def contract(self) -> tuple[ExchangeSegment, date]:
        """Segment and expiry, by which a contract is over."""
        return self.series.segment, self.series.expiry

    @property
    def series_id(self) -> int:
        """The least instrument id of its options: no other series has it."""
        return min(row[0] for row in self._rows)

    @property
    def legs(self) -> tuple[Leg, ...]:
        """All options of the series."""
        return _legs(self._rows)

    def legs_in(self, window: Window) -> tuple[Leg, ...]:
        """Return the legs inside `window`; a strike that is listed on one side only has one."""
        return _legs(self._rows_in(window))

    def instrument_ids_in(self, window: Window) -> tuple[int, ...]:
        """Return the instruments of the legs inside `window`, in the order of the legs."""
        return tuple(row[0] for row in self._rows_in(window))

    def _rows_in(self, window: Window) -> Sequence[_OptionRow]:
        first = bisect_left(self._rows, window.lowest_strike, key=_STRIKE)
        return self._rows[first : bisect_right(self._rows, window.highest_strike, lo=first, key=_STRIKE)]


def get_series(*, underlying: Underlying, expiry: date | None, now: datetime | None = None) -> SeriesListing:
    """Return the series of that expiry; without `expiry` the nearest that is not over at `now`, by default the clock.

    Raises NoOptions, UnknownExpiry, NoSpot.
    """
    segment, today = option_segment(underlying), market_today()
    if expiry is None:
        listed = listed_contracts(segment, underlying.symbol, today).filter(strike__isnull=False).order_by("expiry")
        nearest = find_nearest(listed, segment, now)
        if nearest is None or nearest.expiry is None:
            dates = [one for one in listed.values_list("expiry", flat=True).distinct() if one]
            raise unknown_expiry(f"{underlying.symbol} options", None, dates, today)
        expiry = nearest.expiry
    return get_series_by_key(SeriesKey(segment, underlying.symbol, expiry))


def option_segment(underlying: Underlying) -> ExchangeSegment:
    """Return the segment of the options on `underlying`. Raises NoOptions."""
    if underlying.option_segment is None:
        raise NoOptions(f"No options are listed on {underlying.symbol}.", symbol=underlying.symbol)
    return underlying.option_segment


def nearest_expiry(underlying: Underlying, expiries: Sequence[date], *, now: datetime) -> date:
    """Return the first of `expiries`, its option expiries in order, that is not over at `now`. Raises UnknownExpiry."""
    current_from = first_current_day(option_segment(underlying), expiries, now)
    for expiry in expiries:
        if expiry >= current_from:
            return expiry
    raise unknown_expiry(f"{underlying.symbol} options", None, expiries, market_today())


def get_series_by_key(key: SeriesKey) -> SeriesListing:
    """Return the listing of `key`. Raises UnknownExpiry, NoSpot."""
    today = market_today()
    rows = _option_rows([key])[key] if key.expiry >= today else []
    if not rows:
        wanted = (key.segment, key.underlying)
        listed = list_contracts(underlyings=[wanted], from_date=today)[wanted].option_expiries
        raise unknown_expiry(f"{key.underlying} options", key.expiry, listed, today)
    listing = _listing(key, rows)
    if listing is None:
        raise NoSpot(f"What {key} options are written on is not listed, so there is no price to center a chain on.")
    return listing


def list_series(*, keys: Collection[SeriesKey]) -> Mapping[SeriesKey, SeriesListing]:
    """Return the listings of the `keys` that are listed, not expired and have a spot, in one query."""
    today = market_today()
    grouped = _option_rows([key for key in keys if key.expiry >= today])
    found = {key: _listing(key, rows) for key, rows in grouped.items() if rows}
    return {key: listing for key, listing in found.items() if listing is not None}


# One index probe per spot: to compare all derivatives would read most of the table.
_SPOTS_SQL: Final = """
WITH RECURSIVE spots AS (
    SELECT min(underlying_id) AS id FROM instruments
    UNION ALL
    SELECT (SELECT min(underlying_id) FROM instruments WHERE underlying_id > spots.id) FROM spots
    WHERE spots.id IS NOT NULL
)
SELECT id FROM spots JOIN instruments USING (id) WHERE is_listed ORDER BY id
"""


def list_spots() -> Sequence[int]:
    """Return the ids of all listed instruments on which derivatives are written."""
    with connection.cursor() as cursor:
        cursor.execute(_SPOTS_SQL)
        return [instrument_id for (instrument_id,) in cursor.fetchall()]


# One index range per series. Rows stay plain tuples: named ones for the whole market cost as much as the query.
_OPTIONS_SQL: Final = """
SELECT wanted.place, i.id, i.strike, i.option_type, i.token, i.lot_size, i.tick_size, i.underlying_id,
       i.instrument_type
FROM unnest(%s::smallint[], %s::varchar[], %s::date[]) WITH ORDINALITY AS wanted (segment, symbol, expiry, place)
JOIN instruments i ON i.is_listed AND i.underlying_symbol = wanted.symbol AND i.exchange_segment = wanted.segment
    AND i.expiry = wanted.expiry AND i.strike IS NOT NULL
ORDER BY i.strike, i.option_type, i.id
"""


def _option_rows(keys: Collection[SeriesKey]) -> Mapping[SeriesKey, Sequence[_OptionRow]]:
    places = list(keys)
    grouped: list[list[_OptionRow]] = [[] for _ in places]
    if places:
        columns = (
            [int(key.segment) for key in places],
            [key.underlying for key in places],
            [key.expiry for key in places],
        )
        with connection.cursor() as cursor:
            cursor.execute(_OPTIONS_SQL, columns)
            for row in cursor.fetchall():
                grouped[row[0] - 1].append(row[1:])
    return dict(zip(places, grouped, strict=True))


_OPTION_TYPES: Final = {one.value: one for one in OptionType}
_STRIKE: Final = itemgetter(1)


def _legs(rows: Iterable[_OptionRow]) -> tuple[Leg, ...]:
    return tuple(
        Leg(instrument_id, strike, _OPTION_TYPES[option_type], token, lot_size, tick_size)
        for instrument_id, strike, option_type, token, lot_size, tick_size, _, _ in rows
    )


def _listing(key: SeriesKey, rows: Sequence[_OptionRow]) -> SeriesListing | None:
    """Return the listing of a series from its rows; None if its underlying is not listed."""
    spots = Counter(row[6] for row in rows if row[6] is not None)
    if not spots:
        return None
    is_index = rows[0][7] == InstrumentType.OPTIDX and key.segment is not ExchangeSegment.MCX_COMM
    # Rows of one series can name two spots while an exchange reuses an id: the majority is right.
    return SeriesListing(
        series=key,
        spot_instrument_id=spots.most_common(1)[0][0],
        strikes=tuple(strike for strike, _ in groupby(rows, key=_STRIKE)),
        default_width=INDEX_WIDTH if is_index else PLAIN_WIDTH,
        _rows=rows,
    )
