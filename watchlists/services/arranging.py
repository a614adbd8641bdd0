"""Order of the entries of a list, and their mark *keep*. No claim changes, so nothing starts or stops streaming."""

from datetime import datetime
from typing import Final

from django.db import connection, transaction

from marketdata import notices
from subscriptions import services as subscriptions
from watchlists import selectors
from watchlists.models import WatchlistEntry

# All entries of a list get the positions 0, 1, 2 …: those of removed entries leave gaps, and entries added at the same
# time may share one. The moved entry takes the place of the one that it stands before, or the last one.
_MOVE_ENTRY: Final = """
WITH places AS (
    SELECT id, row_number() OVER (ORDER BY position, id) AS place
    FROM watchlist WHERE user_id = %(user)s AND list_name = %(list)s
), moved AS (
    SELECT id, row_number() OVER (
        ORDER BY CASE WHEN id = %(entry)s THEN
            coalesce((SELECT place FROM places WHERE id = %(before)s), (SELECT max(place) + 1 FROM places))
        ELSE place END, id <> %(entry)s
    ) - 1 AS position FROM places
)
UPDATE watchlist SET position = moved.position FROM moved
WHERE watchlist.id = moved.id AND watchlist.position <> moved.position
"""


def set_keep(*, user_id: int, entry_id: int, keep: bool) -> WatchlistEntry:
    """Set whether an entry is claimed again in the morning after each end of day. Raises UnknownEntry."""
    with transaction.atomic():
        changed = WatchlistEntry.objects.filter(user_id=user_id, pk=entry_id).update(keep=keep)
        entry = selectors.get_entry(user_id=user_id, entry_id=entry_id)
        if changed:
            notices.send_on_commit([user_id], notices.WATCHLIST_CHANGED)
    return entry


def move_entry(*, user_id: int, entry_id: int, before_id: int | None, now: datetime) -> WatchlistEntry:
    """Move an entry before another one of its list, or to its end. Raises UnknownEntry, PlacementBusy."""
    # The placement lock, as for every other write of several entries: two moves, or a move and the end of day, would
    # lock the same rows in different orders.
    with subscriptions.placement(now=now):
        entry = selectors.get_entry(user_id=user_id, entry_id=entry_id)
        if before_id is not None:
            other = selectors.get_entry(user_id=user_id, entry_id=before_id)
            if other.list_name != entry.list_name:
                raise selectors.UnknownEntry(f"There is no entry {before_id} on the list {entry.list_name}.")
        with connection.cursor() as cursor:
            cursor.execute(
                _MOVE_ENTRY, {"user": user_id, "list": entry.list_name, "entry": entry_id, "before": before_id}
            )
        entry.refresh_from_db(fields=["position"])
        notices.send_on_commit([user_id], notices.WATCHLIST_CHANGED)
    return entry
