"""What the morning does with all watchlists: expired entries go, kept ones come back.

Kept entries are claimed one by one, each in a transaction of its own: what one trader's entry is refused for, or
fails for, takes nothing from another's. It is tried again until the market opens; only then traders are told.
"""

import logging
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from django.db import DatabaseError, transaction

from marketdata import selectors as market
from marketdata import services as market_services
from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from marketdata.quote_board import BoardError
from subscriptions import services as subscriptions
from watchlists.models import WatchlistEntry
from watchlists.services.claiming import claim_target
from watchlists.services.day import RemovedEntries
from watchlists.services.notices import send_on_commit

logger = logging.getLogger(__name__)

# The reason in the audit log of an entry that comes back.
KEPT: Final = "WATCHLIST_KEPT"


@dataclass(frozen=True, slots=True)
class Restored:
    """How many kept entries came back, and which did not and why."""

    entries: int
    waiting: tuple[str, ...] = ()


def release_expired(*, now: datetime) -> RemovedEntries:
    """Release the claims of expired contracts and take their entries off all lists; tell whose they were."""
    today = market.market_today()
    with transaction.atomic():
        # The claims first: their lock comes before the rows', here as everywhere.
        release = subscriptions.release_expired(now=now)
        expired = WatchlistEntry.objects.filter(expiry__lt=today)
        lost: dict[int, list[str]] = {}
        for user_id, symbol, expiry in expired.order_by("pk").values_list("user_id", "underlying_symbol", "expiry"):
            lost.setdefault(user_id, []).append(_in_words(symbol, expiry))
        _, deleted = expired.delete()
        for user_id, targets in lost.items():
            text = f"Expired and taken off your watchlist: {', '.join(dict.fromkeys(targets))}."
            send_on_commit(
                [user_id], {"type": "watchlist_changed"}, {"type": "notice", "kind": "expired", "text": text}
            )
    return RemovedEntries(deleted.get("watchlists.WatchlistEntry", 0), release)


def restore_kept(*, now: datetime, is_last: bool = True) -> Restored:
    """Claim every kept entry that has no claim; what is refused stays on its list.

    Its trader is told why, once nothing tries again (`is_last`).
    """
    entries = WatchlistEntry.objects.filter(keep=True, claim=None).select_related("user").order_by("pk")
    restored, waiting = 0, []
    for entry in entries:
        target = _in_words(entry.underlying_symbol, entry.expiry)
        try:
            restored += _bring_back(entry, now=now)
            continue
        except DomainError as refusal:
            why = str(refusal)
        except (BoardError, DatabaseError) as error:
            logger.warning("kept entry %d (%s) failed: %s", entry.pk, target, error)
            why = "The server could not do it just then."
        logger.warning("kept entry %d (%s) does not come back: %s", entry.pk, target, why)
        waiting.append(f"{target}: {why}")
        if is_last:
            text = f"{target} could not come back this morning: {why}"
            send_on_commit([entry.user_id], {"type": "notice", "kind": "not_restored", "text": text})
    return Restored(restored, tuple(waiting))


def _in_words(symbol: str, expiry: date | None) -> str:
    return f"{symbol} {expiry:%d %b}" if expiry else symbol


def _bring_back(entry: WatchlistEntry, *, now: datetime) -> bool:
    """Claim an entry again; False if it went, or has a claim, by now. Raises DomainError."""
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
        send_on_commit([entry.user_id], {"type": "watchlist_changed"})
    return True
