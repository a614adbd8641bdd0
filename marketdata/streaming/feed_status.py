"""Status of the feed as browsers are sent it, derived from the owners' reports and the arrival of their frames.

Pure. A report is the owner's own view; only frames prove it. An owner publishes at least one frame a second, so a
connection that is reported live without a recent frame is SILENT. Knows nothing about browsers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from marketdata.dhan.requests import MAX_CONNECTIONS
from marketdata.domain.feed import ConnectionReport, ConnectionState, Delivery
from marketdata.streaming.reconnects import Reconnect

SILENT_AFTER_SECONDS: Final = 1.6
"""Chosen: one missed heartbeat of 1 s plus 0.6 s for a busy machine, so that browsers know within 2 s."""


class StreamState(StrEnum):
    """Status of one connection, seen from a web process."""

    LIVE = "live"
    DELAYED = "delayed"  # its trades arrive over three seconds late
    STALE = "stale"  # reported live, but packets are due and none come, or trades arrive over 30 s late
    STARVED = "starved"  # reported live, but far fewer packets come than are due
    OPENING = "opening"
    RECONNECTING = "reconnecting"
    CARRIED = "carried"  # not live, but nothing is left on it: failover moved its instruments to live connections
    TOKEN = "token"  # noqa: S105  it waits for another access token
    STOPPED = "stopped"
    SILENT = "silent"  # reported live, but without a recent frame
    NO_OWNER = "no_owner"


@dataclass(frozen=True, slots=True)
class Room:
    """Live instruments in use on all connections, and how many fit; None after the database refused to answer."""

    used: int | None = None
    capacity: int | None = None


class FeedState(StrEnum):
    """State of the feed as a whole."""

    LIVE = "live"
    DELAYED = "delayed"  # all connections deliver, some of them late
    CARRIED = "carried"  # some connections are live and carry all instruments
    PARTIAL = "partial"  # some connections are live
    RECONNECTING = "reconnecting"
    STALE = "stale"  # owners report, but no connection delivers
    TOKEN = "token"  # noqa: S105  no connection delivers, and one waits for another access token
    NO_OWNER = "no_owner"  # no connection has an owner
    BUS_LOST = "bus_lost"  # this process cannot reach Redis


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """State of the feed, and status and last error of each connection by ascending number."""

    state: FeedState
    connections: tuple[StreamState, ...]
    errors: tuple[str, ...]
    delays: tuple[int, ...] = ()  # seconds by connection, 0 where prices are not delayed
    closed: tuple[tuple[int, int], ...] = ()
    """Closed segments with the time of their close (true UTC epoch in ms)."""
    changes_at: tuple[tuple[int, int | None], ...] = ()
    """Each segment with the time at which it closes, or opens again; None where the calendar does not know it."""
    last_reconnect: Reconnect | None = None

    @property
    def live_count(self) -> int:
        """Number of connections that deliver, also late."""
        return sum(one in _DELIVERING for one in self.connections)

    def makes_rows_live(self, before: "FeedStatus | None") -> bool:
        """Return whether a connection has live rows now that had none in `before`, None where nothing was shown."""
        known = before.connections if before is not None else ()
        return any(
            one in _HAS_LIVE_ROWS and (number >= len(known) or known[number] not in _HAS_LIVE_ROWS)
            for number, one in enumerate(self.connections)
        )


_DELIVERING: Final = frozenset({StreamState.LIVE, StreamState.DELAYED})
_HAS_LIVE_ROWS: Final = _DELIVERING | {StreamState.STARVED}

_STREAM_STATE_OF: Final[Mapping[ConnectionState, StreamState]] = {
    ConnectionState.LIVE: StreamState.LIVE,
    ConnectionState.STOPPED: StreamState.STOPPED,
    ConnectionState.WAITING: StreamState.TOKEN,
    ConnectionState.RECONNECTING: StreamState.RECONNECTING,
    ConnectionState.MUTE: StreamState.RECONNECTING,
    ConnectionState.FAILED_OVER: StreamState.RECONNECTING,
    ConnectionState.WANTED: StreamState.OPENING,
    ConnectionState.OPENING: StreamState.OPENING,
    ConnectionState.SUBSCRIBING: StreamState.OPENING,
}


_STREAM_STATE_BY_DELIVERY: Final[Mapping[Delivery, StreamState]] = {
    Delivery.FLOWING: StreamState.LIVE,
    Delivery.SILENT: StreamState.STALE,
    Delivery.STARVED: StreamState.STARVED,
}


def judge_feed(
    *,
    reports: Mapping[int, ConnectionReport] | None,
    last_frame_at: Mapping[int, float],
    now: float,
    deliveries: Mapping[int, Delivery] = MappingProxyType({}),
) -> FeedStatus:
    """Return the status of the feed; `reports` is None while Redis is unreachable. Times are monotonic seconds.

    `deliveries` are those of the newest frames.
    """
    known = reports or {}
    numbers = range(1, MAX_CONNECTIONS + 1)
    connections = tuple(
        _judge_connection(known.get(one), last_frame_at.get(one), deliveries.get(one, Delivery.FLOWING), now)
        for one in numbers
    )
    errors = tuple(known[one].last_error if one in known else "" for one in numbers)
    state = FeedState.BUS_LOST if reports is None else _state_of(set(connections))
    # Only where the state is shown: a number that changes each second is another status for all browsers.
    delays = tuple(
        known[number].delay_seconds if status is StreamState.DELAYED else 0
        for number, status in zip(numbers, connections, strict=True)
    )
    return FeedStatus(state, connections, errors, delays)


def _judge_connection(
    report: ConnectionReport | None, frame_at: float | None, delivery: Delivery, now: float
) -> StreamState:
    has_frames = frame_at is not None and now - frame_at <= SILENT_AFTER_SECONDS
    if report is None:
        # An owner publishes with and without a broker socket: frames prove an owner, not a live connection.
        return StreamState.OPENING if has_frames else StreamState.NO_OWNER
    status = _STREAM_STATE_OF[report.state]
    # A refusal may be the network's as well as the token's: as long as attempts continue, it is no wait for a token.
    if status is StreamState.TOKEN and report.is_retrying:
        status = StreamState.RECONNECTING
    # Failover leaves nothing on a lost connection. OPENING is left out: a new stack has nothing anywhere.
    if status in {StreamState.RECONNECTING, StreamState.TOKEN, StreamState.STOPPED} and report.wanted == 0:
        return StreamState.CARRIED
    if status is not StreamState.LIVE:
        return status
    return _judge_delivery(report, delivery) if has_frames else StreamState.SILENT


def _judge_delivery(report: ConnectionReport, delivery: Delivery) -> StreamState:
    if delivery is Delivery.FLOWING and report.is_late:
        return StreamState.STALE
    if delivery is Delivery.FLOWING and report.delay_seconds:
        return StreamState.DELAYED
    return _STREAM_STATE_BY_DELIVERY[delivery]


def _state_of(connections: set[StreamState]) -> FeedState:
    if connections & _DELIVERING:
        if not connections <= _DELIVERING | {StreamState.CARRIED}:
            return FeedState.PARTIAL
        if StreamState.DELAYED in connections:
            return FeedState.DELAYED
        return FeedState.CARRIED if StreamState.CARRIED in connections else FeedState.LIVE
    if connections & {StreamState.OPENING, StreamState.RECONNECTING, StreamState.CARRIED}:
        return FeedState.RECONNECTING
    if StreamState.TOKEN in connections:
        return FeedState.TOKEN
    if connections & {StreamState.SILENT, StreamState.STALE, StreamState.STARVED, StreamState.STOPPED}:
        return FeedState.STALE
    return FeedState.NO_OWNER
