"""Views of chains: `view_chain`, for REST and the browser socket alike, and the time of the last view of each claim.

One rule decides the window that a viewer sees, so that both answer the same at every instant: it is always the stored
window (docs/decisions/0011-one-view-of-a-chain.md).

Views decide the order of eviction: a chain is as old as the newest view among its claims. A view refreshes only the
claims of the viewer: a trader cannot protect the chain of another from eviction.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db import connection, transaction

from marketdata import selectors as market_selectors
from marketdata import services as market_services
from marketdata.domain.chain import WindowKey
from marketdata.domain.instruments import SeriesKey
from marketdata.selectors import PriceSource, SeriesListing
from marketdata.services import Chain
from subscriptions.selectors import ChainClaims, get_chain_claims, is_claimed
from subscriptions.services.placement.lock import try_lock

# Chosen: eviction compares ages of minutes, so a caller who asks every second needs no write every second.
EVERY: Final = timedelta(seconds=30)

# SKIP LOCKED: rows that another transaction writes are left for the next view, so a view neither waits nor deadlocks.
# Parallel arrays: the views of all browsers of a process are two statements.
_NOTE_CHAINS: Final = """
UPDATE claims SET last_viewed_at = %s WHERE id IN (
    SELECT claims.id FROM claims
    JOIN unnest(%s::bigint[], %s::smallint[], %s::varchar[], %s::date[]) AS viewed (viewer, segment, symbol, expiry)
        ON claims.user_id = viewer AND exchange_segment = segment AND underlying_symbol = symbol
        AND claims.expiry = viewed.expiry
    WHERE tier = 'A' AND last_viewed_at <= %s
    FOR NO KEY UPDATE OF claims SKIP LOCKED
)
"""
_NOTE_INSTRUMENTS: Final = """
UPDATE claims SET last_viewed_at = %s WHERE id IN (
    SELECT claims.id FROM claims
    JOIN unnest(%s::bigint[], %s::bigint[]) AS viewed (viewer, instrument)
        ON claims.user_id = viewer AND claims.instrument_id = instrument
    WHERE tier = 'A' AND last_viewed_at <= %s
    FOR NO KEY UPDATE OF claims SKIP LOCKED
)
"""


@dataclass(frozen=True, slots=True)
class View:
    """What one user looks at: a chain (its claims of every width), and single instruments."""

    user_id: int
    series: SeriesKey | None = None
    instrument_ids: tuple[int, ...] = ()


def view_chain(
    *,
    listing: SeriesListing,
    width: int | None,
    user_id: int | None,
    caller_ltp: Decimal | None = None,
    is_opening: bool = False,
    now: datetime,
) -> Chain:
    """Return a chain as every viewer sees it at `now`, and note the view on the claims of this user.

    `width` None is the default of the series. `is_opening` is true when a browser opens the chain, false for a repeated
    view. Subscribes nothing. Raises PriceUnknown.
    """
    key = WindowKey(listing.series, width or listing.default_width)
    claims = get_chain_claims(key, user_id=user_id)
    chain = _view(key, listing, claims, caller_ltp=caller_ltp, is_opening=is_opening, now=now)
    if user_id is not None and claims.viewed_at is not None and claims.viewed_at <= now - EVERY:
        note_views([View(user_id, series=listing.series)], now=now)
    return chain


def _view(
    key: WindowKey,
    listing: SeriesListing,
    claims: ChainClaims,
    *,
    caller_ltp: Decimal | None,
    is_opening: bool,
    now: datetime,
) -> Chain:
    """Return the chain with the window that is in force."""
    width, stored = key.width, market_selectors.find_window(key=key)
    # 1. A claimed window is shown as stored, even after the price moved: its claims hold exactly these legs, so these
    #    are the ones that stream. Recentring moves the window and the legs in one transaction.
    if stored is not None and claims.is_claimed:
        return market_services.stored_chain(listing=listing, width=width, stored=stored)
    # 2. Without claims, the stored window is shown while it holds.
    chain = market_services.open_chain(listing=listing, width=width, caller_ltp=caller_ltp, now=now)
    current = market_services.with_current_window(chain, stored, is_opening=is_opening)
    # 3. A price that only this caller gave centers only this answer.
    if current is not chain or chain.spot.source is PriceSource.CALLER:
        return current
    # 4. Any other new window is stored, so that the next viewer sees the same.
    return _store_unclaimed(chain, is_first=stored is None)


def _store_unclaimed(chain: Chain, *, is_first: bool) -> Chain:
    """Store the window of a chain without claims; return the chain with the window that is stored then."""
    with transaction.atomic():
        if is_first:
            # Needs no lock: a claim that found no row stores its own window over this one.
            market_services.store_first_window(chain)
        # A claim that was made since holds the legs of the stored window, so a row is replaced only under the lock and
        # after a second look for claims. The lock is tried, not awaited: a view does not wait for writers, and the
        # next view tries again.
        elif try_lock() and not is_claimed(chain.key):
            market_services.store_windows([chain])
    # Read back, because another view or a claim may have stored a window in between.
    stored = market_selectors.find_window(key=chain.key)
    return chain if stored is None else replace(chain, window=stored)


def note_views(views: Collection[View], *, every: timedelta = EVERY, now: datetime) -> None:
    """Note that users view their claims, at most one write per claim in `every`.

    A claim that another transaction writes is skipped.
    """
    chains = [(one.user_id, one.series) for one in views if one.series is not None]
    singles = [(one.user_id, instrument) for one in views for instrument in one.instrument_ids]
    with connection.cursor() as cursor:
        if chains:
            rows = [(user, int(key.segment), key.underlying, key.expiry) for user, key in chains]
            cursor.execute(_NOTE_CHAINS, [now, *map(list, zip(*rows, strict=True)), now - every])
        if singles:
            cursor.execute(_NOTE_INSTRUMENTS, [now, *map(list, zip(*singles, strict=True)), now - every])
