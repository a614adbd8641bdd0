"""Records the state of a connection in `feed_connections`, and since when it is lost.

Only the owner of the current epoch writes.
"""

from datetime import datetime

from django.utils import timezone

from marketdata.domain.feed import ConnectionState
from subscriptions.feed.ownership.statements import Lease
from subscriptions.models import FeedConnection


def write_state(lease: Lease, state: ConnectionState, last_error: str, failed_turns: int) -> None:
    """Write the state as the owner sees it, unless its epoch is old. `load` belongs to the database triggers."""
    # One row or none: the epoch in the filter is the fencing token.
    mine = FeedConnection.objects.filter(number=lease.connection, lease__epoch=lease.epoch)
    for known, since, lost_since in mine.values_list("state", "since", "lost_since"):
        now = timezone.now()
        recorded = _recorded(ConnectionState(known), state, failed_turns)
        mine.update(
            state=recorded,
            last_error=last_error[:256],
            since=since if known == recorded else now,
            lost_since=_lost_since(lost_since, now) if failed_turns else None,
        )


def _recorded(known: ConnectionState, state: ConnectionState, failed_turns: int) -> ConnectionState:
    """Return the state to record: `FAILED_OVER` stays while the connection's own turns still fail."""
    # A released connection is `WANTED` whatever it was before.
    is_away = known is ConnectionState.FAILED_OVER and failed_turns
    return known if is_away and state is not ConnectionState.WANTED else state


def _lost_since(known: datetime | None, now: datetime) -> datetime:
    """Return when the loss of this connection began.

    It begins with the first failed turn during which another connection was live. A turn that fails while none is
    live shows a fault of all connections, not of this one, and the loss begins again at that time.
    """
    if known is None:
        return now
    others = FeedConnection.objects.filter(state=ConnectionState.LIVE, since__lte=known)
    return known if others.exists() else now
