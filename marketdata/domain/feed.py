"""State of the five feed connections, shared by the feed worker, the web processes and the admin.

`ConnectionState` is the only vocabulary for it and `ConnectionReport` the only message about it: one type from the
owner that writes it to every reader. The store `marketdata.quote_board` encodes reports as JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from marketdata.domain.feed_statistics import FeedStatistics


class ConnectionState(StrEnum):
    """State of a connection as its owner last reported it.

    `subscriptions.domain.connection_life.FOLLOWS` lists the permitted transitions.
    """

    WANTED = "wanted"  # no owner yet
    OPENING = "opening"  # at the gate, or at the handshake
    SUBSCRIBING = "subscribing"  # a socket is open, not every subscribe request was sent yet
    LIVE = "live"
    MUTE = "mute"  # no data although data was expected; the socket was closed, another follows
    RECONNECTING = "reconnecting"
    WAITING = "waiting"  # for a token
    STOPPED = "stopped"  # no attempt can succeed before a person changes something
    FAILED_OVER = "failed_over"  # lost for longer than the grace period; other connections carry its instruments

    @classmethod
    def parse(cls, value: str) -> "ConnectionState":
        """Return the state named `value`; OPENING for a name that only another version knows."""
        # A rolling deploy has readers older than the owner: an unknown state must never read as live.
        return next((one for one in cls if one.value == value), cls.OPENING)


@dataclass(frozen=True, slots=True)
class ConnectionReport:
    """Report of an owner on its connection, about once a second; it expires when the owner stops writing."""

    connection: int
    owner: str
    epoch: int
    state: ConnectionState
    wanted: int  # instruments Postgres wants on this connection
    sent: int  # instruments sent to the broker on this socket
    streaming: int  # instruments of `sent` that had a packet on this socket
    packets: int  # since this socket opened
    packets_per_second: float
    last_packet_at_ms: int | None  # true UTC epoch
    reported_at_ms: int
    last_error: str
    # Fields of a later version have defaults: during a deploy readers also parse reports of older owners.
    statistics: FeedStatistics = field(default_factory=FeedStatistics)  # since the owner took the connection
    ticking: tuple[int, ...] = ()  # exchange segments with trades in the last seconds

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "ConnectionReport":
        """Return the report with these values by field name; unknown fields of another version are ignored."""
        known = {one.name: values[one.name] for one in fields(cls) if one.name in values}
        known["state"] = ConnectionState.parse(values["state"])
        known["statistics"] = FeedStatistics.parse(values.get("statistics", {}))
        known["ticking"] = tuple(values.get("ticking", ()))
        return cls(**known)
