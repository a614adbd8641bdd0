"""How the five connections are by PostgreSQL alone, for who must not wait for Redis."""

from dataclasses import dataclass
from datetime import datetime

from marketdata.domain.feed import ConnectionState
from subscriptions.models import FeedConnection, FeedGate


@dataclass(frozen=True, slots=True)
class ConnectionBooks:
    """One connection as the database has it; `state` is the last one an owner has written."""

    ws_id: int
    load: int
    capacity: int
    state: ConnectionState
    epoch: int


@dataclass(frozen=True, slots=True)
class AccountCooldown:
    """Until when no socket of the account is opened, and what the broker said."""

    until: datetime
    closes_all: bool
    reason: str


def find_cooldown(*, now: datetime) -> AccountCooldown | None:
    """Return the quiet that the broker asked the account for, while it lasts."""
    gate = FeedGate.objects.filter(quiet_until__gt=now).first()
    if gate is None or gate.quiet_until is None:
        return None
    return AccountCooldown(gate.quiet_until, gate.closes_all, gate.reason)


def list_books() -> list[ConnectionBooks]:
    """Return the connections by number."""
    rows = FeedConnection.objects.order_by("number")
    return [
        ConnectionBooks(number, load, capacity, ConnectionState(state), epoch)
        for number, load, capacity, state, epoch in rows.values_list(
            "number", "load", "capacity", "state", "lease__epoch"
        )
    ]
