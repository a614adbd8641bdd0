"""What an owner notes of its connection in PostgreSQL: its state, and since when it is lost.

Only the owner of the current epoch writes. The loss begins with the first turn at the gate that failed while another
connection was live; turns that fail while none is show that the fault is not this connection's, and begin it anew.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import Error as DatabaseError
from django.db import connections
from django.utils import timezone

from marketdata.domain.feed import ConnectionState
from subscriptions.feed.ownership.statements import Lease
from subscriptions.models import FeedConnection


@dataclass(frozen=True, slots=True)
class StateNote:
    """How a connection is, in its owner's words."""

    state: ConnectionState
    last_error: str
    failed_turns: int


def write_state(lease: Lease, note: StateNote) -> None:
    """Write the state unless a later owner has the connection; `load` is the triggers' and is left alone."""
    try:
        mine = FeedConnection.objects.filter(number=lease.connection, lease__epoch=lease.epoch)
        for state, since, lost_since in mine.values_list("state", "since", "lost_since"):
            now = timezone.now()
            shown = _shown(ConnectionState(state), note)
            mine.update(
                state=shown,
                last_error=note.last_error[:256],
                since=since if state == shown else now,
                lost_since=_lost_since(lost_since, now) if note.failed_turns else None,
            )
    except DatabaseError:
        connections.close_all()
        raise


def _shown(known: ConnectionState, note: StateNote) -> ConnectionState:
    """Return the state to show: a connection whose instruments others carry stays failed over while its turns fail."""
    is_away = known is ConnectionState.FAILED_OVER and note.failed_turns
    return known if is_away and note.state is not ConnectionState.WANTED else note.state


def _lost_since(known: datetime | None, now: datetime) -> datetime:
    if known is None:
        return now
    others = FeedConnection.objects.filter(state=ConnectionState.LIVE, since__lte=known)
    return known if others.exists() else now
