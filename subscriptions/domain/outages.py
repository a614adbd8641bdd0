"""Decides when a connection is lost for so long that its instruments move to other connections.

A connection is lost since its own turn at the gate failed, since it waits for a slot, a cooldown or a token, or since
the last renewal of an owner whose lease expired. Waiting for its turn or for an owner is no loss; `lost_since`, from
the database, excludes those. Times are the database's, passed as arguments.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from subscriptions.domain.connections import ConnectionStatus

LEASE_SECONDS: Final = 3
"""Chosen: three renewals, one a second, so that one late beat costs no lease."""
COMMON_OUTAGE_GRACES: Final = 3
"""Chosen: with the default grace 15 s. After a restart of everything all five connections are back within six."""
GAP: Final = timedelta(seconds=3)
"""Chosen: three checks, one a second; after a longer gap nothing is known of the time between."""


@dataclass(slots=True)
class OutageMonitor:
    """Checks all connections about once a second."""

    grace: timedelta
    _checked_at: datetime | None = None
    _live_since: dict[tuple[int, int], datetime] = field(default_factory=dict)  # by number and epoch

    def check(self, connections: Sequence[ConnectionStatus], *, now: datetime) -> Sequence[int]:
        """Return the connections with instruments that are lost for longer than the grace."""
        # 1. After a gap the times in `_live_since` prove nothing.
        if self._checked_at is None or now - self._checked_at > GAP:
            self._live_since.clear()
        self._checked_at = now
        # 2. Only this monitor's own checks count as live: the state that an owner wrote before it died proves nothing.
        #    The epoch is part of the key, so that a new owner starts again.
        live = [(one.number, one.epoch) for one in connections if one.is_live]
        self._live_since = {one: self._live_since.get(one, now) for one in live}
        # 3. Without a live connection that has room, a move would help nothing.
        has_room = any(one.is_live and one.load < one.capacity for one in connections)
        return [
            one.number
            for one in connections
            if has_room and one.load and one.lost_since is not None and self._is_over(one.lost_since, now)
        ]

    def _is_over(self, lost_since: datetime, now: datetime) -> bool:
        # 1. Another connection has been live since before the loss: the fault is this connection's.
        if any(since <= lost_since for since in self._live_since.values()):
            return now - lost_since > self.grace
        # 2. All were lost together, and a restart of everything must find every instrument where it was. But a
        #    connection that stays lost long after another one came back waits for a reason of its own.
        return any(now - since > COMMON_OUTAGE_GRACES * self.grace for since in self._live_since.values())
