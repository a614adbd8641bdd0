"""The morning of all watchlists: expired entries are removed, entries with `keep` are claimed again.

Each entry is claimed in a separate transaction, so a refusal or a failure of one affects no other. The task retries
until the market opens; only its last run notifies traders of refusals.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import DatabaseError, transaction

from marketdata import notices
from marketdata import selectors as market
from marketdata import services as market_services
from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from marketdata.quote_board import BoardError
from subscriptions import services as subscriptions
from watchlists.models import WatchlistEntry
from watchlists.services.claiming import claim_target
from watchlists.services.day import RemovedEntries
from watchlists.services.follow_contracts import follow_contracts
from watchlists.services.wording import describe_entry

logger = logging.getLogger(__name__)

# Reason in the audit log for entries that are claimed again.
KEPT: Final = "WATCHLIST_KEPT"


@dataclass(frozen=True, slots=True)
class Restored:
    """Number of entries claimed again; `waiting` has the others, each with the reason."""

    entries: int
    waiting: tuple[str, ...] = ()


def release_expired(*, now: datetime) -> RemovedEntries:
    """Release the claims of expired contracts, remove their entries, and notify their users."""
    # An entry whose contract has another expiry now is not expired.
    follow_contracts(now=now)
    today = market.market_today()
    with transaction.atomic():
        # Lock order, as in all services: the placement lock (taken with the claims) before the rows of entries.
        release = subscriptions.release_expired(now=now)
        expired = WatchlistEntry.objects.filter(expiry__lt=today)
        lost: dict[int, list[str]] = {}
        for entry in expired.select_related("instrument").order_by("pk"):
            lost.setdefault(entry.user_id, []).append(describe_entry(entry))
        _, deleted = expired.delete()
        for user_id, targets in lost.items():
            text = f"Expired and removed from your watchlist: {', '.join(dict.fromkeys(targets))}."
            notices.send_on_commit([user_id], notices.WATCHLIST_CHANGED, notices.notice("expired", text))
    return RemovedEntries(deleted.get("watchlists.WatchlistEntry", 0), release)


def restore_kept(*, now: datetime, is_last: bool = True) -> Restored:
    """Claim every entry with `keep` that has no claim; refused entries stay on their lists.

    With `is_last` no retry follows, and the traders of refused entries are notified with the reason.
    """
    # On the instruments that are listed today: an entry without a claim follows its contract as well.
    follow_contracts(now=now)
    entries = WatchlistEntry.objects.filter(keep=True, claim=None).select_related("user", "instrument").order_by("pk")
    restored, waiting = 0, []
    for entry in entries:
        target = describe_entry(entry)
        try:
            restored += _claim_again(entry, now=now)
            continue
        except DomainError as refusal:
            why = str(refusal)
        except (BoardError, DatabaseError) as error:
            logger.warning("claiming entry %d (%s) again failed: %s", entry.pk, target, error)
            why = "The server failed to claim it."
        logger.warning("entry %d (%s) is not claimed again: %s", entry.pk, target, why)
        waiting.append(f"{target}: {why}")
        if is_last:
            text = f"{target} could not be subscribed again this morning: {why}"
            notices.send_on_commit([entry.user_id], notices.notice("not_restored", text))
    return Restored(restored, tuple(waiting))


def _claim_again(entry: WatchlistEntry, *, now: datetime) -> bool:
    """Claim an entry again; return False if it was removed or claimed since it was read. Raises DomainError."""
    chain = None
    if entry.instrument_id is None and entry.exchange_segment is not None and entry.expiry is not None:
        series = SeriesKey(ExchangeSegment(entry.exchange_segment), entry.underlying_symbol, entry.expiry)
        listing = market.get_series_by_key(series)
        chain = market_services.open_chain(listing=listing, width=listing.default_width, now=now)
    cause = subscriptions.Cause(KEPT, entry.user.get_username(), now)
    with subscriptions.placement(now=now):
        placed = claim_target(user_id=entry.user_id, instrument_id=entry.instrument_id, chain=chain, cause=cause)
        taken = WatchlistEntry.objects.filter(pk=entry.pk, claim=None).update(claim_id=placed.claim_id)
        if not taken:
            transaction.set_rollback(True)
            return False
        notices.send_on_commit([entry.user_id], notices.WATCHLIST_CHANGED)
    return True
