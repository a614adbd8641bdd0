"""Status of the feed as browsers are sent it, derived from the owners' reports and the arrival of their frames.

Pure. A report is the owner's own view; only frames prove it. An owner publishes at least one frame a second, so a
connection that is reported live without a recent frame is SILENT. Knows nothing about browsers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from marketdata.dhan.requests import MAX_CONNECTIONS
from marketdata.domain.feed import ConnectionReport, ConnectionState

SILENT_AFTER_SECONDS: Final = 1.6
"""Chosen: one missed heartbeat of 1 s plus 0.6 s for a busy machine, so that browsers know within 2 s."""


class ConnectionStatus(StrEnum):
    """Status of one connection, seen from a web process."""

    LIVE = "live"
    OPENING = "opening"
    RECONNECTING = "reconnecting"
    STOPPED = "stopped"
    SILENT = "silent"  # reported live, but without a recent frame
    NO_OWNER = "no_owner"


class FeedState(StrEnum):
    """State of the feed as a whole."""

    LIVE = "live"
    PARTIAL = "partial"  # some connections are live
    RECONNECTING = "reconnecting"
    STALE = "stale"  # owners report, but no connection delivers
    NO_OWNER = "no_owner"  # no connection has an owner
    BUS_LOST = "bus_lost"  # this process cannot reach Redis


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """State of the feed, and status and last error of each connection by ascending number."""

    state: FeedState
    connections: tuple[ConnectionStatus, ...]
    errors: tuple[str, ...]
    closed: tuple[tuple[int, int], ...] = ()
    """Closed segments with the time of their close (true UTC epoch in ms)."""

    @property
    def live_count(self) -> int:
        """Number of live connections."""
        return self.connections.count(ConnectionStatus.LIVE)


_STATUS_OF: Final[Mapping[ConnectionState, ConnectionStatus]] = {
    ConnectionState.LIVE: ConnectionStatus.LIVE,
    ConnectionState.STOPPED: ConnectionStatus.STOPPED,
    # Both need a person, a token or a change of the account: a trader's page shows them alike.
    ConnectionState.WAITING: ConnectionStatus.STOPPED,
    ConnectionState.RECONNECTING: ConnectionStatus.RECONNECTING,
    ConnectionState.MUTE: ConnectionStatus.RECONNECTING,
    ConnectionState.FAILED_OVER: ConnectionStatus.RECONNECTING,
    ConnectionState.WANTED: ConnectionStatus.OPENING,
    ConnectionState.OPENING: ConnectionStatus.OPENING,
    ConnectionState.SUBSCRIBING: ConnectionStatus.OPENING,
}


def judge_feed(
    *, reports: Mapping[int, ConnectionReport] | None, last_frame_at: Mapping[int, float], now: float
) -> FeedStatus:
    """Return the status of the feed; `reports` is None while Redis is unreachable. Times are monotonic seconds."""
    known = reports or {}
    numbers = range(1, MAX_CONNECTIONS + 1)
    connections = tuple(_judge_connection(known.get(one), last_frame_at.get(one), now) for one in numbers)
    errors = tuple(known[one].last_error if one in known else "" for one in numbers)
    state = FeedState.BUS_LOST if reports is None else _state_of(set(connections))
    return FeedStatus(state, connections, errors)


def _judge_connection(report: ConnectionReport | None, frame_at: float | None, now: float) -> ConnectionStatus:
    has_frames = frame_at is not None and now - frame_at <= SILENT_AFTER_SECONDS
    if report is None:
        # An owner publishes with and without a broker socket: frames prove an owner, not a live connection.
        return ConnectionStatus.OPENING if has_frames else ConnectionStatus.NO_OWNER
    status = _STATUS_OF[report.state]
    return ConnectionStatus.SILENT if status is ConnectionStatus.LIVE and not has_frames else status


def _state_of(connections: set[ConnectionStatus]) -> FeedState:
    if ConnectionStatus.LIVE in connections:
        return FeedState.LIVE if connections == {ConnectionStatus.LIVE} else FeedState.PARTIAL
    if connections & {ConnectionStatus.OPENING, ConnectionStatus.RECONNECTING}:
        return FeedState.RECONNECTING
    if connections & {ConnectionStatus.SILENT, ConnectionStatus.STOPPED}:
        return FeedState.STALE
    return FeedState.NO_OWNER
