"""Adding an entry to a watchlist and removing one.

An entry, its claim and the audit row of the claim are written in one transaction. Prices are looked up before it,
because that may need a request to the broker; notices to browsers are sent after it.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from django.db import transaction
from django.db.models import Q

from marketdata import notices
from marketdata import services as market_services
from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import Exchange
from marketdata.selectors import SeriesListing, Side
from marketdata.services import Chain
from subscriptions import services as subscriptions
from watchlists import selectors
from watchlists.models import EntryKind, WatchlistEntry
from watchlists.services.claiming import claim_target
from watchlists.services.lists import find_list
from watchlists.services.targets import TargetName, find_target

# Reasons in the audit log.
ADDED: Final = "WATCHLIST_ADD"
REMOVED: Final = "WATCHLIST_REMOVE"
# Chosen: each attempt fails only if the entry was claimed again between two statements, which three in a row make
# improbable.
REMOVE_ATTEMPTS: Final = 3


class DuplicateEntry(DomainError):
    """The target is on that list already."""

    code = "duplicate_entry"


class UnfitWidth(DomainError):
    """The number of strikes is even, or more than the default of the series."""

    code = "wrong_width"


@dataclass(frozen=True, slots=True)
class Added:
    """An entry with its new claim."""

    entry: WatchlistEntry
    exchange: Exchange
    placed: subscriptions.Placed
    is_new: bool = True  # False for an entry that was on the list without a claim.


# One statement decides between three outcomes: a new entry behind the last one of the list; the entry of this target
# that lost its claim, which gets the new one; no row where the entry has a claim, because the target is on the list.
# xmax is 0 in a row that was inserted and not updated.
_WRITE_ENTRY: Final = """
INSERT INTO watchlist (user_id, list_name, kind, instrument_id, exchange_segment, underlying_symbol, expiry, claim_id,
    keep, position, added_at)
SELECT %(user)s, %(list)s, %(kind)s, %(instrument)s, %(segment)s, %(symbol)s, %(expiry)s, %(claim)s, %(keep)s,
    coalesce(max(position) + 1, 0), %(now)s
FROM watchlist WHERE user_id = %(user)s AND list_name = %(list)s
ON CONFLICT ON CONSTRAINT watchlist_target_once_per_list
    DO UPDATE SET claim_id = excluded.claim_id, keep = watchlist.keep OR excluded.keep WHERE watchlist.claim_id IS NULL
RETURNING *, xmax = 0 AS is_new
"""


def add_entry(
    *,
    user_id: int,
    actor: str,
    kind: EntryKind,
    now: datetime,
    symbol: str | None = None,
    exchange: str | None = None,
    expiry: date | None = None,
    side: Side | None = None,
    instrument_id: int | None = None,
    caller_ltp: Decimal | None = None,
    strikes: int | None = None,
    list_name: str | None = None,
    keep: bool = False,
) -> Added:
    """Add a target to a user's list and claim its instruments, both or neither; `actor` is the user's name in the log.

    The target is named by `instrument_id`, or by `symbol` and the fields beside it. Without `list_name` it is added to
    the first of the user's lists. With `keep` the entry is claimed again in the morning after the end of the day.
    `strikes` may make a chain narrower than the default of its series. An entry without a claim gets a new one. Raises
    UnknownList, UnfitWidth, PriceUnknown, DuplicateEntry, QuotaExceeded, CapacityExceeded, PlacementBusy, and the
    errors of `find_target`.
    """
    target = find_target(TargetName(kind, symbol, exchange, expiry, side, instrument_id), now=now)
    chain = _open_chain(target.listing, strikes=strikes, caller_ltp=caller_ltp, now=now)
    with subscriptions.placement(now=now):
        placed = claim_target(
            user_id=user_id,
            instrument_id=target.instrument_id,
            chain=chain,
            cause=subscriptions.Cause(ADDED, actor, now),
        )
        entries = WatchlistEntry.objects.raw(
            _WRITE_ENTRY,
            {
                "user": user_id,
                "list": find_list(user_id=user_id, name=list_name),
                "kind": target.kind,
                "instrument": target.instrument_id,
                "segment": target.listing.series.segment if target.listing else None,
                "symbol": target.symbol,
                "expiry": target.expiry,
                "claim": placed.claim_id,
                "keep": keep,
                "now": now,
            },
        )
        entry = next(iter(entries), None)
        if entry is None:  # Rolls the claim back.
            raise DuplicateEntry(f"{target} is on your list already.", symbol=target.symbol)
        notices.send_on_commit([user_id], notices.WATCHLIST_CHANGED)
    return Added(entry, target.exchange, placed, is_new=entry.is_new)  # type: ignore[attr-defined]  # By RETURNING.


def remove_entry(
    *, user_id: int, actor: str, entry_id: int, now: datetime
) -> tuple[WatchlistEntry, subscriptions.Release]:
    """Remove an entry from its trader's list and release its claim. Raises UnknownEntry, PlacementBusy."""
    for _ in range(REMOVE_ATTEMPTS):
        removed = _try_to_remove(user_id, actor, entry_id, now)
        if removed is not None:
            return removed
    raise subscriptions.PlacementBusy(f"Entry {entry_id} is being changed by others. Try again in a moment.")


def _try_to_remove(
    user_id: int, actor: str, entry_id: int, now: datetime
) -> tuple[WatchlistEntry, subscriptions.Release] | None:
    """Remove an entry; return None if it was claimed again since it was read: deleting it would leave that claim."""
    with transaction.atomic():
        entry = selectors.get_entry(user_id=user_id, entry_id=entry_id)
        # Lock order, as at the end of day: the placement lock (taken with the claim) before the row of the entry.
        released = _release(entry, actor, now)
        deleted, _ = WatchlistEntry.objects.filter(Q(claim=None) | Q(claim_id=entry.claim_id), pk=entry_id).delete()
        if not deleted:
            return None
        notices.send_on_commit([user_id], notices.WATCHLIST_CHANGED)
    return entry, released


def _open_chain(
    listing: SeriesListing | None, *, strikes: int | None, caller_ltp: Decimal | None, now: datetime
) -> Chain | None:
    """Return the opened chain of a series; None without one. May ask the broker: call it before a transaction."""
    if listing is None:
        return None
    width = strikes or listing.default_width
    if width > listing.default_width or width % 2 == 0:
        raise UnfitWidth(
            f"A chain of {listing.series.underlying} has an odd number of strikes, at most {listing.default_width}.",
            most=listing.default_width,
        )
    return market_services.open_chain(listing=listing, width=width, caller_ltp=caller_ltp, now=now)


def _release(entry: WatchlistEntry, actor: str, now: datetime) -> subscriptions.Release:
    if entry.claim_id is None:
        return subscriptions.Release()
    try:
        return subscriptions.release_claim(claim_id=entry.claim_id, actor=actor, reason=REMOVED, now=now)
    except subscriptions.UnknownClaim:
        return subscriptions.Release()  # The end of the day released it between the two reads.
