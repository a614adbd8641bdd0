"""How the five connections are by PostgreSQL alone, for who must not wait for Redis."""

from dataclasses import dataclass

from subscriptions.domain.claims import ConnectionState
from subscriptions.models import FeedConnection


@dataclass(frozen=True, slots=True)
class ConnectionBooks:
    """One connection as the database has it; `state` is the last one an owner has written."""

    ws_id: int
    load: int
    capacity: int
    state: ConnectionState
    epoch: int


def list_books() -> list[ConnectionBooks]:
    """Return the connections by number."""
    rows = FeedConnection.objects.order_by("number")
    return [
        ConnectionBooks(number, load, capacity, ConnectionState(state), epoch)
        for number, load, capacity, state, epoch in rows.values_list(
            "number", "load", "capacity", "state", "lease__epoch"
        )
    ]
