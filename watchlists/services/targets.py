"""The target of a new entry: the instrument or the option series that a request names, checked against its kind."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from marketdata import selectors as market
from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import (
    OPTION_SEGMENT_OF,
    Exchange,
    InstrumentType,
    describe_contract,
    format_expiry,
)
from marketdata.selectors import SeriesListing, UnderlyingKind, UnknownSymbol
from watchlists import selectors
from watchlists.models import EntryKind

_ARTICLE: Final = {
    UnderlyingKind.INDEX: "an index",
    UnderlyingKind.EQUITY: "a stock",
    UnderlyingKind.COMMODITY: "a commodity",
    UnderlyingKind.CURRENCY: "a currency pair",
}
# Kinds of which the underlying itself is the instrument.
_CASH_KIND_OF: Final = {UnderlyingKind.INDEX: EntryKind.INDEX, UnderlyingKind.EQUITY: EntryKind.EQUITY}
# Of the kinds of one instrument.
_NOUN: Final = {
    EntryKind.EQUITY: "an equity",
    EntryKind.FUTURE: "a future",
    EntryKind.OPTION: "an option",
    EntryKind.INDEX: "an index",
}


class UnfitKind(DomainError):
    """The instrument type does not fit the symbol."""

    code = "wrong_instrument_type"


@dataclass(frozen=True, slots=True)
class TargetName:
    """How a request names a target: by `instrument_id`, or by `symbol` and the fields beside it."""

    kind: EntryKind
    symbol: str | None = None
    exchange: str | None = None
    expiry: date | None = None
    side: market.Side | None = None
    instrument_id: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """The target of an entry: an option series, or one instrument."""

    kind: EntryKind
    symbol: str
    exchange: Exchange
    expiry: date | None
    instrument_id: int | None = None
    listing: SeriesListing | None = None
    words: str = ""  # of an option, which its symbol and expiry do not name

    def __str__(self) -> str:
        if self.words:
            return self.words
        return f"{self.symbol} {format_expiry(self.expiry)}" if self.expiry else self.symbol


def find_target(named: TargetName, *, now: datetime) -> Target:
    """Return the target that a request names. Raises UnfitKind, and the errors of the selectors for each kind.

    These are UnknownSymbol, UnknownExpiry, UnknownStrike, NoOptions, NoSpot, AmbiguousSymbol, NotOneOption,
    ContradictoryExpiry, ContradictoryStrike.
    """
    kind, symbol, exchange, expiry = named.kind, named.symbol, named.exchange, named.expiry
    _require_fitting_fields(named)
    if named.instrument_id is not None:
        found = market.get_listed_instrument(instrument_id=named.instrument_id)
    elif symbol is None:
        raise AssertionError("a request names its target by instrument_id or by symbol")
    elif kind.is_chain:
        return _find_series(kind, symbol, exchange, expiry, now)
    elif kind is EntryKind.FUTURE:
        found = market.get_future(symbol=symbol, expiry=expiry, exchange=exchange, now=now)
    elif kind is EntryKind.OPTION:
        found = market.get_option(symbol=symbol, exchange=exchange, expiry=expiry, side=named.side, now=now)
    else:
        get_cash = market.get_index if kind is EntryKind.INDEX else market.get_equity
        try:
            found = get_cash(symbol=symbol, exchange=exchange)
        except UnknownSymbol:
            _require_underlying(kind, symbol, exchange)
            found = market.get_instrument(name=symbol, exchange=exchange)  # by the broker's key
    _require_kind(kind, InstrumentType(found.instrument_type), found.exchange_segment, found.token)
    name = found.underlying_symbol, found.expiry, found.strike, found.option_type
    words = describe_contract(*name) if kind is EntryKind.OPTION else ""
    return Target(kind, found.underlying_symbol, Exchange(found.exchange), found.expiry, found.pk, words=words)


def _require_fitting_fields(named: TargetName) -> None:
    """Refuse a field that a target of this kind does not have: to drop it would name another target."""
    kind = named.kind
    if named.instrument_id is not None and kind.is_chain:
        raise UnfitKind(f"{kind} is a chain, not one instrument: name it by symbol and expiry.")
    if named.side is not None and kind is not EntryKind.OPTION:
        raise UnfitKind(f"Strike and option_type name one OPTION, not {kind}.")
    if named.expiry is not None and kind in {EntryKind.EQUITY, EntryKind.INDEX}:
        noun = _NOUN[kind].capitalize()
        raise UnfitKind(f"{noun} has no expiry; leave it out.", symbol=named.symbol)


def _require_underlying(kind: EntryKind, symbol: str, exchange: str | None) -> None:
    """Refuse the symbol of an underlying of another kind, which may have no instrument (CRUDEOIL)."""
    underlying = market.resolve_symbol(symbol=symbol, exchange=exchange).underlying
    if _CASH_KIND_OF.get(underlying.kind) is not kind:
        raise UnfitKind(
            f"{underlying.symbol} is {_ARTICLE[underlying.kind]}, not {_NOUN[kind]}.", symbol=underlying.symbol
        )


def _require_kind(kind: EntryKind, instrument_type: InstrumentType, segment: int, token: str) -> None:
    found = EntryKind.of(instrument_type)
    if found is not kind:
        raise UnfitKind(f"{token} is {_NOUN[found]}, not {_NOUN[kind]}.", symbol=token)
    if found is EntryKind.OPTION and segment not in OPTION_SEGMENT_OF.values():
        raise UnfitKind(f"{token} is an option on a currency pair, and these are not served.", symbol=token)


def _find_series(kind: EntryKind, symbol: str, exchange: str | None, expiry: date | None, now: datetime) -> Target:
    named = market.resolve_symbol(symbol=symbol, exchange=exchange, expiry=expiry)
    underlying = named.underlying
    fitting = selectors.OPTION_KIND_OF.get(underlying.kind)
    if fitting is not kind:
        advice = f"its options are {fitting}" if fitting else "its options are not served"
        raise UnfitKind(
            f"{underlying.symbol} is {_ARTICLE[underlying.kind]}: {advice}, not {kind}.", symbol=underlying.symbol
        )
    listing = market.get_series(underlying=underlying, expiry=named.expiry, now=now)
    return Target(kind, underlying.symbol, listing.exchange, listing.series.expiry, listing=listing)
