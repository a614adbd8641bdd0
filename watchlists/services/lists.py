"""The named lists of a trader: creating, renaming and deleting one. Each is one transaction.

All of them take the placement lock first, as the services do that add and remove entries: so no entry comes to a list
that is being deleted, and two requests cannot both create the last permitted list.
"""

from datetime import datetime
from typing import Final

from django.db import connection

from marketdata import notices
from marketdata.domain.errors import DomainError
from subscriptions import services as subscriptions
from watchlists.models import DEFAULT_LIST, MAX_LISTS, NamedList, WatchlistEntry
from watchlists.services.day import RemovedEntries

# Reason in the audit log.
LIST_DELETED: Final = "WATCHLIST_DELETE"


class UnknownList(DomainError):
    """The trader has no list of this name."""

    code = "unknown_list"


class DuplicateList(DomainError):
    """The trader has a list of this name already."""

    code = "duplicate_list"


class TooManyLists(DomainError):
    """The trader has as many lists as are permitted."""

    code = "too_many_lists"


class ListNotEmpty(DomainError):
    """The list has entries, and the caller did not ask to remove them too."""

    code = "list_not_empty"


class LastList(DomainError):
    """The only list of a trader cannot be deleted: entries need a list."""

    code = "last_list"


def create_list(*, user_id: int, name: str, now: datetime) -> None:
    """Create a list behind the others. Raises DuplicateList, TooManyLists, PlacementBusy."""
    with subscriptions.placement(now=now):
        names = _list_names(user_id)
        _require_new(name, names)
        if len(names) >= MAX_LISTS:
            raise TooManyLists(f"You have {len(names)} lists, and no more are possible.", most=MAX_LISTS)
        NamedList.objects.create(user_id=user_id, name=name)
        notices.send_on_commit([user_id], notices.WATCHLIST_CHANGED)


def rename_list(*, user_id: int, name: str, new_name: str, now: datetime) -> None:
    """Rename a list; its entries and their claims stay. Raises UnknownList, DuplicateList, PlacementBusy."""
    with subscriptions.placement(now=now):
        names = _list_names(user_id)
        _require_known(name, names)
        if new_name == name:
            return
        _require_new(new_name, names)
        NamedList.objects.filter(user_id=user_id, name=name).update(name=new_name)
        notices.send_on_commit([user_id], notices.WATCHLIST_CHANGED)


def delete_list(*, user_id: int, name: str, has_consent: bool, actor: str, now: datetime) -> RemovedEntries:
    """Delete a list with its entries and their claims; one with entries only with consent.

    Raises UnknownList, LastList, ListNotEmpty, PlacementBusy.
    """
    with subscriptions.placement(now=now):
        names = _list_names(user_id)
        _require_known(name, names)
        if len(names) == 1:
            raise LastList(f"{name} is your only list. Create another one before you delete it.")
        entries = WatchlistEntry.objects.filter(user_id=user_id, list_name=name)
        count = entries.count()
        if count and not has_consent:
            noun = "entry" if count == 1 else "entries"
            raise ListNotEmpty(f"{name} has {count} {noun}, which would be removed with it.", entries=count)
        claimed = entries.exclude(claim=None).select_related("claim").order_by("claim")
        claims = [entry.claim for entry in claimed if entry.claim is not None]
        release = subscriptions.release(claims, cause=subscriptions.Cause(LIST_DELETED, actor, now))
        entries.delete()
        NamedList.objects.filter(user_id=user_id, name=name).delete()
        notices.send_on_commit([user_id], notices.WATCHLIST_CHANGED)
    return RemovedEntries(count, release)


def find_list(*, user_id: int, name: str | None) -> str:
    """Return the list of this name, or the first one of the trader; the caller owns the placement lock.

    Raises UnknownList.
    """
    names = _list_names(user_id)
    if name is None:
        return names[0]
    _require_known(name, names)
    return name


# A trader without lists has the default one: its row is written with the first change. One statement, because every
# addition of an entry runs it; a row that it writes is not yet among those that it reads.
_READ_NAMES: Final = """
WITH written AS (
    INSERT INTO named_lists (user_id, name)
    SELECT %(user)s, %(default)s WHERE NOT EXISTS (SELECT FROM named_lists WHERE user_id = %(user)s)
    RETURNING id, name
)
SELECT name FROM (
    SELECT id, name FROM named_lists WHERE user_id = %(user)s UNION ALL TABLE written
) AS named ORDER BY id
"""


def _list_names(user_id: int) -> list[str]:
    """Return the names of the trader's lists in their order, at least one; the caller owns the placement lock."""
    with connection.cursor() as cursor:
        cursor.execute(_READ_NAMES, {"user": user_id, "default": DEFAULT_LIST})
        return [name for (name,) in cursor.fetchall()]


def _require_known(name: str, names: list[str]) -> None:
    if name not in names:
        raise UnknownList(f"You have no list {name!r}.")


def _require_new(name: str, names: list[str]) -> None:
    if name in names:
        raise DuplicateList(f"You have a list {name!r} already.")
