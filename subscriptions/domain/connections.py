"""Status of one feed connection: its row and lease in PostgreSQL, and the report of its owner from Redis.

Both sources are needed. PostgreSQL knows the load and the state that was recorded last; only the owner knows what its
socket streams now. A report expires with its owner, so its absence means that the connection has no owner.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from marketdata.domain.feed import ConnectionReport, ConnectionState

# States that only an owner can keep up. Recorded ones outlive a killed owner; without an owner they mean "wanted".
_NEEDS_OWNER: Final = frozenset(
    {ConnectionState.OPENING, ConnectionState.SUBSCRIBING, ConnectionState.LIVE, ConnectionState.MUTE}
)


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """One connection at the time `read_at` of the database."""

    number: int
    load: int
    capacity: int
    recorded_state: ConnectionState  # the last one that an owner wrote
    since: datetime
    recorded_error: str
    lease_owner: str
    lease_epoch: int
    is_live: bool  # recorded live, under a lease that has not expired
    lost_since: datetime | None  # None also while the owner waits for the gate, a lease, a token or a cooldown
    read_at: datetime
    report: ConnectionReport | None = None
    is_reported: bool = False  # whether Redis was read: then a missing report means a missing owner

    def with_report(self, report: ConnectionReport | None) -> "ConnectionStatus":
        """Return the status with the report that Redis has, or None if it has none."""
        return replace(self, report=report, is_reported=True)

    @property
    def state(self) -> ConnectionState:
        """The state to show."""
        if self.report is None:
            # Never show "live" from the row of an owner that died.
            no_owner = self.is_reported and self.recorded_state in _NEEDS_OWNER
            return ConnectionState.WANTED if no_owner else self.recorded_state
        # Between failover and the next open socket the owner reports "reconnecting" and the like. The state that
        # matters is that other connections carry the instruments.
        is_back = self.report.state in {ConnectionState.SUBSCRIBING, ConnectionState.LIVE}
        is_failed_over = self.recorded_state is ConnectionState.FAILED_OVER and not is_back
        return ConnectionState.FAILED_OVER if is_failed_over else self.report.state

    @property
    def owner(self) -> str:
        """The owner that reports, else the one that the lease names."""
        return self.report.owner if self.report else self.lease_owner

    @property
    def epoch(self) -> int:
        """The fencing token of `owner`."""
        return self.report.epoch if self.report else self.lease_epoch

    @property
    def sent(self) -> int | None:
        """Instruments sent to the broker; 0 without an owner (no socket), None if Redis was not read."""
        return self.report.sent if self.report else 0 if self.is_reported else None

    @property
    def streaming(self) -> int | None:
        """Instruments that had a packet on this socket; 0 without an owner, None if Redis was not read."""
        return self.report.streaming if self.report else 0 if self.is_reported else None

    @property
    def last_error(self) -> str:
        """The reason why the connection is not live, for an operator."""
        return self.report.last_error if self.report else self.recorded_error
