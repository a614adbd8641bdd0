"""When a connection counts as lost for so long that its instruments must go elsewhere.

A connection is lost since its own turn at the gate failed, or since the last sign of life of an owner whose lease ran
out; waiting for the gate, a lease, a token or the broker's minute of quiet is not loss, and whoever says since when
(`lost_since`) knows that. Nothing moves unless another connection was live throughout: if all of them went, what is
wrong is not this one, and a restart of everything shall find everything where it was.

Only what this watch has seen itself counts as live: a state that an owner wrote before it died proves nothing. Time
is the database's, an argument.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from subscriptions.domain.connections import ConnectionStatus

LEASE_SECONDS: Final = 3
"""An owner renews its lease every second; this long after the last time it is lost."""
GAP: Final = timedelta(seconds=3)
"""A watch that has not looked for longer knows nothing of what was live meanwhile."""


@dataclass(slots=True)
class OutageMonitor:
    """Looks at all connections about once a second and says whose instruments must move."""

    grace: timedelta
    _checked_at: datetime | None = None
    _live_since: dict[tuple[int, int], datetime] = field(default_factory=dict)  # by number and epoch

    def check(self, connections: Sequence[ConnectionStatus], *, now: datetime) -> Sequence[int]:
        """Return the connections that carry something and have been lost for longer than the grace."""
        if self._checked_at is None or now - self._checked_at > GAP:
            self._live_since.clear()
        self._checked_at = now
        live = [(one.number, one.epoch) for one in connections if one.is_live]
        self._live_since = {one: self._live_since.get(one, now) for one in live}
        has_room = any(one.is_live and one.load < one.capacity for one in connections)
        return [
            one.number
            for one in connections
            if has_room and one.load and one.lost_since is not None and self._is_over(one.lost_since, now)
        ]

    def _is_over(self, lost_since: datetime, now: datetime) -> bool:
        stayed = any(since <= lost_since for since in self._live_since.values())
        return stayed and now - lost_since > self.grace
