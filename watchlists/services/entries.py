"""What a trader does with a watchlist: adding an entry, removing one.

An entry, its claim and the audit row of the claim stand or fall together, in one transaction. Prices are looked
up before that transaction, browsers are told after it; a notice that cannot be delivered undoes nothing.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Max, Q

from marketdata import selectors as market
from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import Exchange, format_expiry
from marketdata.selectors import SeriesListing, UnderlyingKind, UnknownSymbol
from subscriptions import services as subscriptions
from watchlists import selectors
from watchlists.models import DEFAULT_LIST, EntryKind, WatchlistEntry
from watchlists.services.claiming import claim_for
from watchlists.services.notices import send_on_commit

OPTION_KIND_OF: Final = {
    UnderlyingKind.INDEX: EntryKind.INDEX_OPTION,
    UnderlyingKind.EQUITY: EntryKind.STOCK_OPTION,
    UnderlyingKind.COMMODITY: EntryKind.COMMODITY_OPTION,
}


_ARTICLE: Final = {
    UnderlyingKind.INDEX: "an index",
    UnderlyingKind.EQUITY: "a stock",
    UnderlyingKind.COMMODITY: "a commodity",
    UnderlyingKind.CURRENCY: "a currency pair",
}
# Reasons in the audit log.
ADDED: Final = "WATCHLIST_ADD"
REMOVED: Final = "WATCHLIST_REMOVE"
REMOVE_ATTEMPTS: Final = 3

TARGET_ONCE_PER_LIST: Final = "watchlist_target_once_per_list"


class DuplicateEntry(DomainError):
    """The target is on that list already."""

    code = "duplicate_entry"


class UnfitKind(DomainError):
    """The instrument type does not fit the symbol."""

    code = "wrong_instrument_type"


class UnfitWidth(DomainError):
    """So many strikes are not served as a chain."""

    code = "wrong_width"


@dataclass(frozen=True, slots=True)
class ChainWindow:
    """Where the window of an added chain lies, and the price it was calculated from."""

    width: int
    atm: Decimal
    strike_step: Decimal
    lowest_strike: Decimal
    highest_strike: Decimal
    underlying_ltp: Decimal


@dataclass(frozen=True, slots=True)
class Added:
    """A new entry, what its claim placed, and of a chain its window."""

    entry: WatchlistEntry
    exchange: Exchange
    placed: subscriptions.Placed
    chain: ChainWindow | None
    is_new: bool = True  # False for an entry that stood on the list without a claim


@dataclass(frozen=True, slots=True)
class _Target:
    """What an entry is about: a series, or one instrument."""

    kind: EntryKind
    symbol: str
    exchange: Exchange
    expiry: date | None
    instrument_id: int | None
    listing: SeriesListing | None

    def __str__(self) -> str:
        return f"{self.symbol} {format_expiry(self.expiry)}" if self.expiry else self.symbol


def add_entry(
    *,
    user_id: int,
    symbol: str,
    kind: EntryKind,
    now: datetime,
    exchange: str | None = None,
    expiry: date | None = None,
    caller_ltp: Decimal | None = None,
    strikes: int | None = None,
    list_name: str = DEFAULT_LIST,
    keep: bool = False,
) -> Added:
    """Put a target on a trader's list and claim its streams; all of it or nothing.

    A kept one comes back in the morning after the end of the day.

    A chain may be narrower than its kind's default (`strikes`). An entry that lost its claim gets a new one. Raises
    UnknownSymbol, UnknownExpiry, UnfitKind, UnfitWidth, PriceUnknown, DuplicateEntry, and what claiming raises.
    """
    target = _find_target(symbol=symbol, exchange=exchange, expiry=expiry, kind=kind)
    opened = _open_chain(target.listing, strikes=strikes, caller_ltp=caller_ltp, now=now)
    try:
        with transaction.atomic():
            unclaimed = _find_unclaimed(target, user_id=user_id, list_name=list_name)
            entry = unclaimed or _create_entry(target, user_id=user_id, list_name=list_name, keep=keep, now=now)
            placed = claim_for(entry, opened, reason=ADDED, now=now)
            # Whoever asked for the same at the same time waited for the lock, and finds it claimed.
            entry.keep = entry.keep or keep
            taken = WatchlistEntry.objects.filter(pk=entry.pk, claim=None)
            if not taken.update(claim_id=placed.claim_id, keep=entry.keep):
                raise DuplicateEntry(f"{target} is on your list already.", symbol=target.symbol)
            send_on_commit([user_id], {"type": "watchlist_changed"})
    except IntegrityError as error:
        if _constraint(error) != TARGET_ONCE_PER_LIST:
            raise
        raise DuplicateEntry(f"{target} is on your list already.", symbol=target.symbol) from error
    return Added(entry, target.exchange, placed, _window_of(opened), is_new=unclaimed is None)


def remove_entry(*, user_id: int, entry_id: int, now: datetime) -> tuple[WatchlistEntry, subscriptions.Release]:
    """Remove an entry from its trader's list and release its claim. Raises UnknownEntry, PlacementBusy."""
    for _ in range(REMOVE_ATTEMPTS):
        removed = _try_to_remove(user_id, entry_id, now)
        if removed is not None:
            return removed
    raise subscriptions.PlacementBusy(f"Entry {entry_id} is being changed by others. Try again in a moment.")


def _try_to_remove(user_id: int, entry_id: int, now: datetime) -> tuple[WatchlistEntry, subscriptions.Release] | None:
    """Remove an entry; None if since it was read it was claimed anew, by a claim that is not ours to leave behind."""
    with transaction.atomic():
        entry = selectors.get_entry(user_id=user_id, entry_id=entry_id)
        # The claim goes first: its lock comes before the row's, here as at the end of the day.
        released = _release(entry, now)
        deleted, _ = WatchlistEntry.objects.filter(Q(claim=None) | Q(claim_id=entry.claim_id), pk=entry_id).delete()
        if not deleted:
            return None
        send_on_commit([user_id], {"type": "watchlist_changed"})
    return entry, released


def _find_target(*, symbol: str, exchange: str | None, expiry: date | None, kind: EntryKind) -> _Target:
    match kind:
        case EntryKind.EQUITY:
            return _find_equity(symbol, exchange, expiry)
        case EntryKind.FUTURE:
            future = market.get_future(symbol=symbol, expiry=expiry, exchange=exchange)
            listed = Exchange(future.exchange)
            return _Target(kind, future.underlying_symbol, listed, future.expiry, future.pk, None)
        case _:
            return _find_series(symbol, exchange, expiry, kind)


def _find_equity(symbol: str, exchange: str | None, expiry: date | None) -> _Target:
    if expiry is not None:
        raise UnfitKind("An equity has no expiry; leave it out.", symbol=symbol)
    try:
        share = market.get_equity(symbol=symbol, exchange=exchange)
    except UnknownSymbol:
        underlying = market.find_underlying(symbol=symbol, exchange=exchange)
        raise UnfitKind(
            f"{underlying.symbol} is {_ARTICLE[underlying.kind]}, not an equity.", symbol=underlying.symbol
        ) from None
    return _Target(EntryKind.EQUITY, share.underlying_symbol, Exchange(share.exchange), None, share.pk, None)


def _find_series(symbol: str, exchange: str | None, expiry: date | None, kind: EntryKind) -> _Target:
    underlying = market.find_underlying(symbol=symbol, exchange=exchange)
    if OPTION_KIND_OF.get(underlying.kind) is not kind:
        fitting = OPTION_KIND_OF.get(underlying.kind)
        advice = f"its options are {fitting}" if fitting else "its options are not served"
        raise UnfitKind(
            f"{underlying.symbol} is {_ARTICLE[underlying.kind]}: {advice}, not {kind}.", symbol=underlying.symbol
        )
    listing = market.get_series(underlying=underlying, expiry=expiry)
    return _Target(kind, underlying.symbol, listing.exchange, listing.series.expiry, None, listing)


def _open_chain(
    listing: SeriesListing | None, *, strikes: int | None, caller_ltp: Decimal | None, now: datetime
) -> subscriptions.OpenedChain | None:
    """Return the chain of a series with its price looked up; it asks the broker, so it stays out of transactions."""
    if listing is None:
        return None
    width = strikes or listing.default_width
    if width > listing.default_width or width % 2 == 0:
        raise UnfitWidth(
            f"A chain of {listing.series.underlying} has an odd number of strikes, at most {listing.default_width}.",
            most=listing.default_width,
        )
    return subscriptions.open_chain(series=listing.series, width=width, caller_ltp=caller_ltp, now=now)


def _window_of(opened: subscriptions.OpenedChain | None) -> ChainWindow | None:
    if opened is None:
        return None
    window = market.get_window(series=opened.series, width=opened.width)
    return ChainWindow(
        width=window.width,
        atm=window.atm,
        strike_step=window.strike_step,
        lowest_strike=window.lowest_strike,
        highest_strike=window.highest_strike,
        underlying_ltp=window.ltp,
    )


def _find_unclaimed(target: _Target, *, user_id: int, list_name: str) -> WatchlistEntry | None:
    """Return the entry of this target that lost its claim, if it is on the list."""
    unclaimed = WatchlistEntry.objects.filter(user_id=user_id, list_name=list_name, claim=None)
    if target.listing is None:
        return unclaimed.filter(instrument=target.instrument_id).first()
    series = target.listing.series
    return unclaimed.filter(
        exchange_segment=series.segment, underlying_symbol=series.underlying, expiry=series.expiry
    ).first()


def _create_entry(target: _Target, *, user_id: int, list_name: str, keep: bool, now: datetime) -> WatchlistEntry:
    last = WatchlistEntry.objects.filter(user_id=user_id, list_name=list_name).aggregate(last=Max("position"))["last"]
    return WatchlistEntry.objects.create(
        user_id=user_id,
        list_name=list_name,
        kind=target.kind,
        instrument_id=target.instrument_id,
        exchange_segment=target.listing.series.segment if target.listing else None,
        underlying_symbol=target.symbol,
        expiry=target.expiry,
        position=0 if last is None else last + 1,
        keep=keep,
        added_at=now,
    )


def _release(entry: WatchlistEntry, now: datetime) -> subscriptions.Release:
    if entry.claim_id is None:
        return subscriptions.Release()
    try:
        return subscriptions.release_claim(
            claim_id=entry.claim_id, actor=entry.user.get_username(), reason=REMOVED, now=now
        )
    except subscriptions.UnknownClaim:
        return subscriptions.Release()  # The end of the day released it between the two reads.


def _constraint(error: IntegrityError) -> str | None:
    """Return the name of the database constraint that refused."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None)
