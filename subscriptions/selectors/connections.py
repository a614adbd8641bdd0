"""The five connections and the cooldown of the account, from PostgreSQL alone or with the reports of the owners."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from marketdata import quote_board
from marketdata.domain.feed import ConnectionReport, ConnectionState
from subscriptions.domain.connections import ConnectionStatus
from subscriptions.domain.outages import LEASE_SECONDS
from subscriptions.models import FeedGate

_OPEN_STATES = [ConnectionState.WANTED, ConnectionState.SUBSCRIBING, ConnectionState.LIVE]

# A connection is lost since the earlier of two times: when its own turn at the gate failed (unless a socket is open
# again), and the last renewal of a lease that has expired. A lease without an expiry was given up on purpose, so its
# connection waits for an owner and is not lost. All times are the database's: one clock for all processes.
_LIST_CONNECTIONS = """
SELECT one.number, one.load, one.capacity, one.state, one.since, one.last_error, lease.owner, lease.epoch,
    coalesce(one.state = %(live)s AND lease.expires_at >= clock.now, false),
    CASE WHEN lease.expires_at IS NOT NULL THEN least(
        CASE WHEN NOT one.state = ANY(%(open)s) THEN one.lost_since END,
        CASE WHEN lease.expires_at < clock.now THEN lease.expires_at - make_interval(secs => %(lease_seconds)s) END
    ) END,
    clock.now
FROM feed_connections AS one
LEFT JOIN feed_leases AS lease ON lease.connection_id = one.number
CROSS JOIN (SELECT clock_timestamp() AS now) AS clock
ORDER BY one.number
"""


@dataclass(frozen=True, slots=True)
class AccountCooldown:
    """Until when no socket of the account is opened, whether open ones are closed too, and the broker's reason."""

    until: datetime
    closes_all: bool
    reason: str


def find_cooldown(*, now: datetime) -> AccountCooldown | None:
    """Return the cooldown that the broker imposed on the account, while it lasts."""
    gate = FeedGate.objects.filter(cooldown_until__gt=now).first()
    if gate is None or gate.cooldown_until is None:
        return None
    return AccountCooldown(gate.cooldown_until, gate.closes_all, gate.reason)


def list_connections() -> list[ConnectionStatus]:
    """Return the connections by number from PostgreSQL alone, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            _LIST_CONNECTIONS, {"live": ConnectionState.LIVE, "open": _OPEN_STATES, "lease_seconds": LEASE_SECONDS}
        )
        rows = cursor.fetchall()
    return [
        ConnectionStatus(
            number, load, capacity, ConnectionState(state), since, error, owner or "", epoch or 0, is_live, lost, now
        )
        for number, load, capacity, state, since, error, owner, epoch, is_live, lost, now in rows
    ]


def list_reported_connections() -> list[ConnectionStatus]:
    """Return the connections by number with the reports of their owners; without any if Redis does not answer."""
    connections = list_connections()
    try:
        reports = list_reports()
    except quote_board.BoardError:
        return connections
    return [one.with_report(reports.get(one.number)) for one in connections]


def list_reports() -> Mapping[int, ConnectionReport]:
    """Return the reports of the owners by connection. Raises BoardError."""
    return {report.connection: report for report in quote_board.connect().list_reports()}
