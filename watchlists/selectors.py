"""Reads of watchlists. Every selector takes the user, so no caller can read the lists of another."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from marketdata import selectors as market
from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import EXCHANGE_OF, Exchange, ExchangeSegment, format_expiry
from marketdata.domain.quote_state import QuoteState
from marketdata.selectors import PlainQuote
from subscriptions import selectors as subscriptions
from watchlists.models import DEFAULT_LIST, EntryKind, NamedList, WatchlistEntry

OPTION_KIND_OF: Final = {
    market.UnderlyingKind.INDEX: EntryKind.INDEX_OPTION,
    market.UnderlyingKind.EQUITY: EntryKind.STOCK_OPTION,
    market.UnderlyingKind.COMMODITY: EntryKind.COMMODITY_OPTION,
}
MAX_QUOTED: Final = 64  # Characters of the caller's text that an error repeats; the column's length.


class UnknownEntry(DomainError):
    """No such entry on the lists of this user."""

    code = "unknown_entry"


class AmbiguousEntry(DomainError):
    """The fields match several entries; `expiries` has the expiry of each."""

    code = "ambiguous_entry"


class UnquotedState(StrEnum):
    """States of an entry without a claim."""

    EVICTED = "evicted"  # Its claim was released; adding the target again claims it.
    NOT_SUBSCRIBED = "not_subscribed"  # An entry with `keep`, between the end of day and the morning.


EntryState = UnquotedState | QuoteState


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """One entry as shown to its user. `quote` is of the instrument, or of the spot of a chain."""

    entry: WatchlistEntry
    exchange: Exchange
    quoted_instrument_id: int | None
    width: int | None
    legs: int
    state: EntryState
    quote: PlainQuote | None
    is_over: bool = False  # the last session of its contract has ended


@dataclass(frozen=True, slots=True)
class _Quoted:
    instrument_id: int
    tick_size: Decimal


@dataclass(frozen=True, slots=True)
class ListSummary:
    """One of a trader's lists, with the number of its entries."""

    name: str
    entries: int


def list_lists(*, user_id: int) -> Sequence[ListSummary]:
    """Return the lists of a user in their order, at least one; one query."""
    of_list = WatchlistEntry.objects.filter(user_id=user_id, list_name=OuterRef("name"))
    counted = of_list.order_by().values("list_name").annotate(count=Count("pk")).values("count")
    lists = NamedList.objects.filter(user_id=user_id).annotate(entries=Coalesce(Subquery(counted), 0)).order_by("pk")
    return [ListSummary(one.name, one.entries) for one in lists] or [ListSummary(DEFAULT_LIST, 0)]


def list_entries(*, user_id: int) -> Sequence[ListedEntry]:
    """Return the entries of a user in list order, with quotes, in three queries. Raises BoardError.

    One more query where the expiry of an entry is near.
    """
    rows = list(_rows(user_id))
    # Apart: a count beside these rows would group them by every column of five tables.
    legs = subscriptions.count_legs(claim_ids=[row.claim_id for row in rows if row.claim_id is not None])
    ticks = {one.instrument_id: one.tick_size for row in rows if (one := _quoted(row))}
    quotes = market.list_quotes(tick_sizes=ticks)
    subscribed = subscriptions.connection_of(list(ticks)).keys()
    over = market.list_over(contracts=[contract for row in rows if (contract := _contract(row))])
    return [
        _listed(row, legs.get(row.claim_id or 0, 0), quotes, subscribed, is_over=_contract(row) in over) for row in rows
    ]


def list_quoted_instruments(*, user_id: int) -> Sequence[int]:
    """Return the instruments whose quotes the lists of this user show, each once, in list order."""
    return list(dict.fromkeys(one.instrument_id for row in _rows(user_id) if (one := _quoted(row))))


def get_entry(*, user_id: int, entry_id: int) -> WatchlistEntry:
    """Return one entry of this user. Raises UnknownEntry."""
    entry = _rows(user_id).filter(pk=entry_id).first()
    if entry is None:
        raise UnknownEntry(f"There is no entry {entry_id} on your lists.")
    return entry


def get_entry_of(
    *,
    user_id: int,
    kind: EntryKind,
    symbol: str | None = None,
    exchange: str | None = None,
    expiry: date | None = None,
    side: market.Side | None = None,
    instrument_id: int | None = None,
    list_name: str | None = None,
) -> WatchlistEntry:
    """Return the entry that these fields name, as an addition does; fields that only one entry has suffice.

    Raises UnknownEntry, or AmbiguousEntry if they match several.
    """
    of_kind = _rows(user_id).filter(kind=kind)
    if list_name is not None:
        of_kind = of_kind.filter(list_name=list_name)
    if symbol is None:
        return _only(list(of_kind.filter(instrument=instrument_id)), kind, f"instrument {instrument_id}", None)
    if expiry is not None:
        of_kind = of_kind.filter(expiry=expiry)
    if side is not None:
        of_kind = of_kind.filter(instrument__strike=side.strike, instrument__option_type=side.option_type)
    spellings = market.spell(symbol, exchange)
    symbols = [one.symbol for one in spellings]
    entries = _list_matching(of_kind, symbols=symbols, exchange=spellings[-1].exchange)
    entries = entries or _list_named(of_kind, kind, symbol, exchange, expiry)
    return _only(entries, kind, repr(symbols[0][:MAX_QUOTED]), expiry)


def _only(entries: Sequence[WatchlistEntry], kind: EntryKind, name: str, expiry: date | None) -> WatchlistEntry:
    if not entries:
        when = f" of {format_expiry(expiry)}" if expiry else ""
        raise UnknownEntry(f"There is no {kind} entry of {name}{when} on your lists.")
    if len(entries) > 1:
        expiries = [one.expiry.isoformat() for one in entries if one.expiry]
        more = "expiry, strike and option_type" if kind is EntryKind.OPTION else "the expiry or the exchange"
        if len({(one.instrument_id, one.exchange_segment, one.expiry) for one in entries}) == 1:
            more = "the list"
        raise AmbiguousEntry(f"Several entries match {name}; give {more}.", expiries=expiries)
    return entries[0]


def _list_named(
    entries: QuerySet[WatchlistEntry], kind: EntryKind, symbol: str, exchange: str | None, expiry: date | None
) -> Sequence[WatchlistEntry]:
    """Return those `entries` of the contract or key that `symbol` names; empty where it is not listed."""
    try:
        if kind is EntryKind.OPTION:
            option = market.get_instrument(name=symbol, exchange=exchange, expiry=expiry)
            return list(entries.filter(instrument=option.pk))
        named = market.resolve_symbol(symbol=symbol, exchange=exchange, expiry=expiry)
    except market.UnknownSymbol:
        return []
    underlying = named.underlying
    if named.expiry is not None:
        entries = entries.filter(expiry=named.expiry)
    return _list_matching(entries, symbols=[underlying.symbol], exchange=underlying.exchange)


def _list_matching(
    entries: QuerySet[WatchlistEntry], *, symbols: Sequence[str], exchange: Exchange | None
) -> Sequence[WatchlistEntry]:
    found = entries.filter(underlying_symbol__in=symbols)
    return [one for one in found if exchange in {None, exchange_of(one)}]


def exchange_of(entry: WatchlistEntry) -> Exchange:
    """Return the exchange that lists the target of an entry."""
    if entry.instrument is not None:
        return Exchange(entry.instrument.exchange)
    # watchlist_instrument_or_series: an entry without an instrument has a segment.
    return EXCHANGE_OF[ExchangeSegment(entry.exchange_segment or 0)]


# The lists stand in the order of their ids.
_LIST_IDS: Final = NamedList.objects.filter(user_id=OuterRef("user_id"), name=OuterRef("list_name")).values("pk")


def _rows(user_id: int) -> QuerySet[WatchlistEntry]:
    return (
        WatchlistEntry.objects.filter(user_id=user_id)
        .select_related("instrument", "claim__spot__instrument")
        .annotate(list_id=Subquery(_LIST_IDS))
        .order_by("list_id", "position", "pk")
    )


def _quoted(entry: WatchlistEntry) -> _Quoted | None:
    """Return the instrument whose quote an entry shows; None for a chain without a claim."""
    instrument = entry.instrument
    if instrument is None and entry.claim is not None and entry.claim.spot is not None:
        instrument = entry.claim.spot.instrument
    return _Quoted(instrument.pk, instrument.tick_size) if instrument is not None else None


def _contract(entry: WatchlistEntry) -> tuple[ExchangeSegment, date] | None:
    """Return segment and expiry of the contracts of an entry; None for an entry without an expiry."""
    segment = entry.exchange_segment if entry.instrument is None else entry.instrument.exchange_segment
    return None if entry.expiry is None or segment is None else (ExchangeSegment(segment), entry.expiry)


def _listed(
    entry: WatchlistEntry, legs: int, quotes: Mapping[int, PlainQuote], subscribed: Set[int], *, is_over: bool
) -> ListedEntry:
    quoted = _quoted(entry)
    quoted_id = quoted.instrument_id if quoted is not None else None
    quote = quotes.get(quoted_id) if quoted_id is not None else None
    return ListedEntry(
        entry=entry,
        exchange=exchange_of(entry),
        quoted_instrument_id=quoted_id,
        width=entry.claim.width if entry.claim is not None else None,
        legs=legs,
        state=_state(entry, is_subscribed=quoted_id in subscribed, quote=quote),
        quote=quote,
        is_over=is_over,
    )


def _state(entry: WatchlistEntry, *, is_subscribed: bool, quote: PlainQuote | None) -> EntryState:
    """Return the state of the entry's quote, or why it has none. `judge_quote` is the only rule for a quote's state."""
    if entry.claim is None:
        # The end of the day deletes entries that lost their claim, except those marked keep.
        return UnquotedState.NOT_SUBSCRIBED if entry.keep else UnquotedState.EVICTED
    if not is_subscribed:
        return UnquotedState.NOT_SUBSCRIBED
    return QuoteState.WAITING if quote is None else quote.state
