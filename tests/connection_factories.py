"""Connections and reports with default values; they need neither Django nor a server."""

from datetime import UTC, datetime
from typing import Any

from marketdata.domain.feed import ConnectionReport, ConnectionState
from subscriptions.domain.connections import ConnectionStatus

READ_AT = datetime(2026, 2, 10, 4, 30, tzinfo=UTC)


def make_connection(number: int = 1, **values: Any) -> ConnectionStatus:
    """Return a connection with a load of 100, recorded live, without a report."""
    defaults = {
        "load": 100,
        "capacity": 5_000,
        "recorded_state": ConnectionState.LIVE,
        "since": READ_AT,
        "recorded_error": "",
        "lease_owner": "feed@host",
        "lease_epoch": 6,
        "is_live": True,
        "lost_since": None,
        "read_at": READ_AT,
    }
    return ConnectionStatus(number, **{**defaults, **values})


def make_report(connection: int = 1, **values: Any) -> ConnectionReport:
    """Return the report of an owner whose 100 instruments were sent and of which 90 stream."""
    defaults = {
        "owner": "feed@host",
        "epoch": 7,
        "state": ConnectionState.LIVE,
        "wanted": 100,
        "sent": 100,
        "streaming": 90,
        "packets": 1_000,
        "packets_per_second": 10.0,
        "last_packet_at_ms": 1_770_000_000_500,
        "reported_at_ms": 1_770_000_001_000,
        "last_error": "",
    }
    return ConnectionReport(connection, **{**defaults, **values})
