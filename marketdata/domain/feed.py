"""State of the five feed connections, shared by the feed worker, the web processes and the admin.

`ConnectionState` is the only vocabulary for it and `ConnectionReport` the only message about it: one type from the
owner that writes it to every reader. The store `marketdata.quote_board` encodes reports as JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum, StrEnum
from typing import Any, Final

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


STARVED_SECONDS: Final = 10.0
"""Required: the period in which a starved connection received less than a tenth of what was due."""


DELAYED_SECONDS: Final = 3.0
"""Required: a longer trade lag is shown as delayed."""
LATE_SECONDS: Final = 30.0
"""Required: a longer trade lag is shown as stale."""


class Delivery(IntEnum):
    """How the packets of a live connection arrive. The values are part of the bus frame."""

    FLOWING = 0  # as they are due, or none are due
    SILENT = 1  # packets were due and none came: no row is live
    STARVED = 2  # far fewer than due: only rows with a packet within STARVED_SECONDS are live

    @classmethod
    def parse(cls, value: int) -> "Delivery":
        """Return the delivery with this value; SILENT for a value that only another version knows."""
        # An unknown condition must never read as live.
        return next((one for one in cls if one.value == value), cls.SILENT)


@dataclass(frozen=True, slots=True)
class DeliveryReading:
    """The delivery, and the packets received and due in the last STARVED_SECONDS.

    `due` is 0 while no packet is due: out of session, or before the rate of the connection is known.
    """

    condition: Delivery = Delivery.FLOWING
    received: int = 0
    due: int = 0

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "DeliveryReading":
        """Return the reading in `values`; unknown names of another version are ignored."""
        known = {one.name: values[one.name] for one in fields(cls) if one.name in values}
        return cls(**known | {"condition": Delivery.parse(known.get("condition", 0))})


@dataclass(frozen=True, slots=True)
class ConnectionMeasurements:
    """What the owner measured on its connection when it sent a frame. Every frame has them: a report is older."""

    delivery: DeliveryReading = field(default_factory=DeliveryReading)
    packet_age_ms: int | None = None  # time since the last packet; None if there was none in this epoch
    trade_lag_seconds: float | None = None  # as in the report

    def aged(self, *, milliseconds: int) -> "ConnectionMeasurements":
        """Return the measurements that many milliseconds later, with no packet since."""
        age = None if self.packet_age_ms is None else self.packet_age_ms + milliseconds
        return replace(self, packet_age_ms=age)


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
    delivery: DeliveryReading = field(default_factory=DeliveryReading)
    trade_lag_seconds: float | None = None  # median of liquid instruments; None where too few trade
    is_retrying: bool = False  # the next attempt follows by itself, also while the state is WAITING

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "ConnectionReport":
        """Return the report with these values by field name; unknown fields of another version are ignored."""
        known = {one.name: values[one.name] for one in fields(cls) if one.name in values}
        known["state"] = ConnectionState.parse(values["state"])
        known["statistics"] = FeedStatistics.parse(values.get("statistics", {}))
        known["ticking"] = tuple(values.get("ticking", ()))
        known["delivery"] = DeliveryReading.parse(values.get("delivery", {}))
        return cls(**known)

    def is_live_at(self, *, received_at_ms: int, now_ms: int) -> bool:
        """Return whether a price of this connection may be shown as live; times are true UTC epochs."""
        if self.state is not ConnectionState.LIVE or self.delivery.condition is Delivery.SILENT or self.is_late:
            return False
        is_starved = self.delivery.condition is Delivery.STARVED
        return not is_starved or now_ms - received_at_ms <= STARVED_SECONDS * 1_000

    @property
    def packet_age_seconds(self) -> float | None:
        """Seconds from the last packet to the report; None if there was none in this epoch."""
        if self.last_packet_at_ms is None:
            return None
        return max(0, self.reported_at_ms - self.last_packet_at_ms) / 1_000

    @property
    def delay_seconds(self) -> int:
        """The trade lag in whole seconds where it is so long that prices are delayed, else 0."""
        lag = self.trade_lag_seconds or 0.0
        return round(lag) if lag > DELAYED_SECONDS else 0

    @property
    def is_late(self) -> bool:
        """Whether the trade lag is so long that prices are stale."""
        return (self.trade_lag_seconds or 0.0) > LATE_SECONDS
