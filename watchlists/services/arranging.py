"""List and order of entries, and their mark *keep*. No claim changes, so nothing starts or stops streaming."""

from datetime import datetime
from typing import Any, Final

import psycopg.errors
from django.db import IntegrityError, connection, transaction

from marketdata import notices
from subscriptions import services as subscriptions
from watchlists import selectors
from watchlists.models import WatchlistEntry
from watchlists.services.entries import DuplicateEntry
from watchlists.services.lists import find_list
from watchlists.services.wording import describe_entry

# All entries of a list get the positions 0, 1, 2 …: those of removed entries leave gaps, and entries added at the same
# time may share one. The moved entry, which may come from another list, takes the place of the one that it stands
# before, or the last one.
_MOVE_ENTRY: Final = """
WITH places AS (
    SELECT id, row_number() OVER (ORDER BY position, id) AS place
    FROM watchlist WHERE user_id = %(user)s AND list_name = %(list)s OR id = %(entry)s
), moved AS (
    SELECT id, row_number() OVER (
        ORDER BY CASE WHEN id = %(entry)s THEN
            coalesce((SELECT place FROM places WHERE id = %(before)s), (SELECT max(place) + 1 FROM places))
        ELSE place END, id <> %(entry)s
    ) - 1 AS position FROM places
)
UPDATE watchlist SET list_name = %(list)s, position = moved.position FROM moved
WHERE watchlist.id = moved.id AND (watchlist.position <> moved.position OR watchlist.list_name <> %(list)s)
"""


def set_keep(*, user_id: int, entry_id: int, keep: bool) -> WatchlistEntry:
    """Set whether an entry is claimed again in the morning after each end of day. Raises UnknownEntry."""
    with transaction.atomic():
        changed = WatchlistEntry.objects.filter(user_id=user_id, pk=entry_id).update(keep=keep)
        entry = selectors.get_entry(user_id=user_id, entry_id=entry_id)
        if changed:
            notices.send_on_commit([user_id], notices.WATCHLIST_CHANGED)
    return entry


def move_entry(
    *, user_id: int, entry_id: int, before_id: int | None, now: datetime, list_name: str | None = None
) -> WatchlistEntry:
    """Move an entry before another one of a list, or to its end; without `list_name`, of the list that it is on.

    Raises UnknownEntry, UnknownList, DuplicateEntry, PlacementBusy.
    """
    # The placement lock, as for every other write of several entries: two moves, or a move and the end of day, would
    # lock the same rows in different orders.
    with subscriptions.placement(now=now):
        entry = selectors.get_entry(user_id=user_id, entry_id=entry_id)
        target = entry.list_name if list_name is None else find_list(user_id=user_id, name=list_name)
        if before_id is not None:
            other = selectors.get_entry(user_id=user_id, entry_id=before_id)
            if other.list_name != target:
                raise selectors.UnknownEntry(f"There is no entry {before_id} on the list {target}.")
        _place(entry, target, before_id)
        notices.send_on_commit([user_id], notices.WATCHLIST_CHANGED)
        # Not the row alone: an entry without a claim may have been removed meanwhile, since that takes no lock.
        return selectors.get_entry(user_id=user_id, entry_id=entry_id)


def _place(entry: WatchlistEntry, list_name: str, before_id: int | None) -> None:
    values: dict[str, Any] = {"user": entry.user_id, "entry": entry.pk, "list": list_name, "before": before_id}
    try:
        with connection.cursor() as cursor:
            cursor.execute(_MOVE_ENTRY, values)
    except IntegrityError as error:
        if not isinstance(error.__cause__, psycopg.errors.UniqueViolation):
            raise
        sentence = f"{describe_entry(entry)} is on {list_name} already."
        raise DuplicateEntry(sentence, symbol=entry.underlying_symbol) from error
