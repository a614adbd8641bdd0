"""The status: what Postgres wants on each connection, beside what the board reports of it.

Nothing is decided here. A board that cannot be reached leaves what it alone knows unknown (None), never zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import Count

from marketdata import quote_board
from marketdata.domain.feed import ConnectionReport, ConnectionState
from subscriptions.domain.claims import Tier
from subscriptions.models import FeedConnection, Subscription

_OF_AN_OWNER: Final = frozenset(
    {ConnectionState.OPENING, ConnectionState.SUBSCRIBING, ConnectionState.LIVE, ConnectionState.MUTE}
)


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """One connection: what it carries by Postgres, and what its owner says of it (None: unknown)."""

    ws_id: int
    load: int
    capacity: int
    state: ConnectionState
    sent: int | None
    streaming: int | None
    last_error: str = ""  # why it is not live, in an operator's words


@dataclass(frozen=True, slots=True)
class Status:
    """All subscriptions at a glance. `drift` is wanted minus confirmed streaming; None if nobody can tell."""

    total: int
    capacity: int
    tier_a: int
    tier_b: int
    utilisation: float  # percent of capacity
    connections: Sequence[ConnectionStatus]
    drift: int | None


def subscription_status() -> Status:
    """Return totals, tiers, the five connections and the drift."""
    connections = list_connections()
    tiers = dict(Subscription.objects.values_list("tier").annotate(count=Count("pk")))
    total, capacity = sum(tiers.values()), sum(one.capacity for one in connections)
    streaming = sum(one.streaming or 0 for one in connections)
    return Status(
        total=total,
        capacity=capacity,
        tier_a=tiers.get(Tier.A, 0),
        tier_b=tiers.get(Tier.B, 0),
        utilisation=round(100 * total / capacity, 2) if capacity else 0.0,
        connections=connections,
        drift=None if any(one.streaming is None for one in connections) else total - streaming,
    )


def list_connections() -> Sequence[ConnectionStatus]:
    """Return the five connections by number."""
    reports = _find_reports()
    return [_connection_status(row, reports) for row in FeedConnection.objects.order_by("number")]


def _find_reports() -> Mapping[int, ConnectionReport] | None:
    try:
        return {report.connection: report for report in quote_board.connect().list_reports()}
    except quote_board.BoardError:
        return None


def _connection_status(row: FeedConnection, reports: Mapping[int, ConnectionReport] | None) -> ConnectionStatus:
    """Without a report there is no owner, hence no socket: nothing was sent, and the state is what no owner means."""
    report = reports.get(row.number) if reports is not None else None
    if reports is None:
        return ConnectionStatus(
            row.number, row.load, row.capacity, ConnectionState(row.state), None, None, row.last_error
        )
    if report is None:
        state = state_without_owner(ConnectionState(row.state))
        return ConnectionStatus(row.number, row.load, row.capacity, state, 0, 0, row.last_error)
    state = shown_state(ConnectionState(row.state), report)
    return ConnectionStatus(row.number, row.load, row.capacity, state, report.sent, report.streaming, report.last_error)


def shown_state(recorded: ConnectionState, report: ConnectionReport) -> ConnectionState:
    """Return the owner's word, unless others carry what the connection had: then it is away for as long as it is."""
    said = report.state
    is_back = said in {ConnectionState.SUBSCRIBING, ConnectionState.LIVE}
    return recorded if recorded is ConnectionState.FAILED_OVER and not is_back else said


def state_without_owner(recorded: ConnectionState) -> ConnectionState:
    """Return what the last recorded state means once nobody reports: without an owner no socket is open or comes."""
    return ConnectionState.WANTED if recorded in _OF_AN_OWNER else recorded
