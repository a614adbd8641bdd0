"""How the five connections are by Postgres, and by their owners: for failover, and for whoever operates them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection

from marketdata import quote_board
from marketdata.domain.feed import ConnectionReport, ConnectionState
from subscriptions.domain.outages import LEASE_SECONDS, Health
from subscriptions.models import FeedConnection
from subscriptions.selectors.status import shown_state


@dataclass(frozen=True, slots=True)
class WsStatus:
    """One connection as its owner reports it. What only an owner knows is None while there is none, or no board."""

    ws_id: int
    owner: str
    epoch: int
    state: ConnectionState
    since: datetime
    load: int
    capacity: int
    sent: int | None
    streaming: int | None
    packets_per_second: float | None
    last_packet_at: datetime | None
    lag_ms: int | None  # from the newest packet to the report
    last_error: str


_NOT_LOST = [ConnectionState.WANTED.value, ConnectionState.SUBSCRIBING.value, ConnectionState.LIVE.value]

# A lease without an end was given up on purpose: its connection waits for an owner and is not lost.
_LIST_HEALTH = """
SELECT one.number, one.load, one.capacity, coalesce(lease.epoch, 0),
    coalesce(one.state = %(live)s AND lease.expires_at >= clock.now, false),
    CASE WHEN lease.expires_at IS NOT NULL THEN least(
        CASE WHEN one.state <> ALL(%(not_lost)s) THEN one.lost_since END,
        CASE WHEN lease.expires_at < clock.now THEN lease.expires_at - make_interval(secs => %(lease)s) END
    ) END,
    clock.now
FROM feed_connections AS one
LEFT JOIN feed_leases AS lease ON lease.connection_id = one.number
CROSS JOIN (SELECT clock_timestamp() AS now) AS clock
ORDER BY one.number
"""


def list_health() -> tuple[Sequence[Health], datetime | None]:
    """Return the connections by number, and the database's time of the look (None without connections)."""
    with connection.cursor() as cursor:
        cursor.execute(_LIST_HEALTH, {"live": ConnectionState.LIVE, "not_lost": _NOT_LOST, "lease": LEASE_SECONDS})
        rows = cursor.fetchall()
    return [Health(*row[:-1]) for row in rows], rows[0][-1] if rows else None


def ws_status() -> list[WsStatus]:
    """Return the five connections by number, with what their owners report."""
    try:
        reports = {report.connection: report for report in quote_board.connect().list_reports()}
    except quote_board.BoardError:
        reports = {}
    rows = FeedConnection.objects.select_related("lease").order_by("number")
    return [_ws_status(row, reports.get(row.number)) for row in rows]


def _ws_status(row: FeedConnection, report: ConnectionReport | None) -> WsStatus:
    if report is None:
        return WsStatus(
            ws_id=row.number,
            owner=row.lease.owner,
            epoch=row.lease.epoch,
            state=ConnectionState(row.state),
            since=row.since,
            load=row.load,
            capacity=row.capacity,
            sent=None,
            streaming=None,
            packets_per_second=None,
            last_packet_at=None,
            lag_ms=None,
            last_error=row.last_error,
        )
    last_ms = report.last_packet_at_ms
    return WsStatus(
        ws_id=row.number,
        owner=report.owner,
        epoch=report.epoch,
        state=shown_state(ConnectionState(row.state), report),
        since=row.since,
        load=row.load,
        capacity=row.capacity,
        sent=report.sent,
        streaming=report.streaming,
        packets_per_second=report.packets_per_second,
        last_packet_at=datetime.fromtimestamp(last_ms / 1_000, tz=UTC) if last_ms is not None else None,
        lag_ms=max(0, report.reported_at_ms - last_ms) if last_ms is not None else None,
        last_error=report.last_error,
    )
