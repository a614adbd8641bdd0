"""What names and series mean, kept by a process that answers about them often.

Only an import changes the instrument list. So an answer counts for one `ListState`, which the caller reads before the
answer: what is kept is never older than the list that was in force when the request began
(docs/decisions/0032-listing-cache.md).
"""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

from django.db import connection

from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from marketdata.models import Instrument
from marketdata.selectors.contracts import list_contracts
from marketdata.selectors.named_symbols import NamedUnderlying, resolve_symbol
from marketdata.selectors.series import (
    SeriesListing,
    get_series_by_key,
    nearest_expiry,
    option_segment,
)
from marketdata.selectors.underlyings import Underlying, get_instrument_by_id, market_today

if TYPE_CHECKING:
    from functools import _lru_cache_wrapper

T = TypeVar("T")

SERIES_KEPT: Final = 64
"""Chosen: more chains than are read at a time; the longest series of the real list have some 400 options, 0.2 MB."""
NAMES_KEPT: Final = 1_024
"""Chosen: all underlyings with options, about 220, in several spellings."""

# Not the newest id alone: a record that is written during an import has a later id and may be committed before it.
_STATE_SQL: Final = "SELECT count(*), max(id) FROM instrument_imports"


@dataclass(frozen=True, slots=True)
class ListState:
    """The instrument list at one moment: the number of imports and the newest one; and the date of the market."""

    imports: int
    newest: int | None
    today: date


def get_list_state() -> ListState:
    """Return the present state of the list, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(_STATE_SQL)
        imports, newest = cursor.fetchone()
    return ListState(imports, newest, market_today())


class ListingCache:
    """Make one where a process starts. Threads may share it. Nothing is kept before the first import, and no error."""

    def __init__(self) -> None:
        self.names = lru_cache(NAMES_KEPT)(_resolve_symbol)
        self.expiries = lru_cache(NAMES_KEPT)(_list_option_expiries)
        self.series = lru_cache(SERIES_KEPT)(_get_series)
        self.instruments = lru_cache(NAMES_KEPT)(_get_instrument)

    def read(self) -> "ListingNow":
        """Return the list as it is now, after one small query."""
        return ListingNow(self, get_list_state())


@dataclass(frozen=True, slots=True)
class ListingNow:
    """The list in one state; its methods answer as the selectors of the same names."""

    _cache: ListingCache
    _state: ListState

    def resolve_symbol(self, *, symbol: str, exchange: str | None, expiry: date | None) -> NamedUnderlying:
        """Return what `symbol` names. Raises UnknownSymbol, AmbiguousSymbol, ContradictoryExpiry."""
        return _ask(self._cache.names, self._state, symbol, exchange, expiry)

    def get_series(self, *, underlying: Underlying, expiry: date | None, now: datetime) -> SeriesListing:
        """Return the series of that expiry; without `expiry` the nearest that is not over at `now`.

        Raises NoOptions, UnknownExpiry, NoSpot.
        """
        segment = option_segment(underlying)
        if expiry is None:
            expiries = _ask(self._cache.expiries, self._state, segment, underlying.symbol)
            expiry = nearest_expiry(underlying, expiries, now=now)
        return _ask(self._cache.series, self._state, SeriesKey(segment, underlying.symbol, expiry))

    def get_instrument_by_id(self, *, instrument_id: int) -> Instrument:
        """Return the instrument, listed or not, for reading only. Raises `Instrument.DoesNotExist`."""
        return _ask(self._cache.instruments, self._state, instrument_id)


def _ask(kept: "_lru_cache_wrapper[T]", state: ListState, *arguments: Hashable) -> T:
    function = kept if state.newest is not None else kept.__wrapped__
    return function(state, *arguments)


def _resolve_symbol(_state: ListState, symbol: str, exchange: str | None, expiry: date | None) -> NamedUnderlying:
    return resolve_symbol(symbol=symbol, exchange=exchange, expiry=expiry)


def _list_option_expiries(state: ListState, segment: ExchangeSegment, symbol: str) -> tuple[date, ...]:
    wanted = segment, symbol
    return list_contracts(underlyings=[wanted], from_date=state.today)[wanted].option_expiries


def _get_series(_state: ListState, key: SeriesKey) -> SeriesListing:
    return get_series_by_key(key)


def _get_instrument(_state: ListState, instrument_id: int) -> Instrument:
    return get_instrument_by_id(instrument_id=instrument_id)
