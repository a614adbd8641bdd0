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


class StreamState(StrEnum):
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
    connections: tuple[StreamState, ...]
    errors: tuple[str, ...]
    closed: tuple[tuple[int, int], ...] = ()
    """Closed segments with the time of their close (true UTC epoch in ms)."""

    @property
    def live_count(self) -> int:
        """Number of live connections."""
        return self.connections.count(StreamState.LIVE)


_STREAM_STATE_OF: Final[Mapping[ConnectionState, StreamState]] = {
    ConnectionState.LIVE: StreamState.LIVE,
    ConnectionState.STOPPED: StreamState.STOPPED,
    # Both need a person, a token or a change of the account: a trader's page shows them alike.
    ConnectionState.WAITING: StreamState.STOPPED,
    ConnectionState.RECONNECTING: StreamState.RECONNECTING,
    ConnectionState.MUTE: StreamState.RECONNECTING,
    ConnectionState.FAILED_OVER: StreamState.RECONNECTING,
    ConnectionState.WANTED: StreamState.OPENING,
    ConnectionState.OPENING: StreamState.OPENING,
    ConnectionState.SUBSCRIBING: StreamState.OPENING,
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


def _judge_connection(report: ConnectionReport | None, frame_at: float | None, now: float) -> StreamState:
    has_frames = frame_at is not None and now - frame_at <= SILENT_AFTER_SECONDS
    if report is None:
        # An owner publishes with and without a broker socket: frames prove an owner, not a live connection.
        return StreamState.OPENING if has_frames else StreamState.NO_OWNER
    status = _STREAM_STATE_OF[report.state]
    return StreamState.SILENT if status is StreamState.LIVE and not has_frames else status


def _state_of(connections: set[StreamState]) -> FeedState:
    if StreamState.LIVE in connections:
        return FeedState.LIVE if connections == {StreamState.LIVE} else FeedState.PARTIAL
    if connections & {StreamState.OPENING, StreamState.RECONNECTING}:
        return FeedState.RECONNECTING
    if connections & {StreamState.SILENT, StreamState.STOPPED}:
        return FeedState.STALE
    return FeedState.NO_OWNER
