"""PostgreSQL as far as ownership is concerned, on a clock that jumps from event to event.

Leases, advisory locks and the end of sessions, held to the real statements by
`tests/integration/subscriptions/feed/test_lease_model.py`.
"""

import heapq
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from subscriptions.domain.ownership import FormerOwner
from subscriptions.feed.ownership.statements import (
    FORMER_OWNERS_FIRST_SECONDS,
    TTL_SECONDS,
    Cooldown,
    Lease,
    UnownedLease,
)

CONNECTIONS: Final = 5


class Clock:
    """Stands in for the module `time`, and holds what is to happen."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def monotonic(self) -> float:
        return self.now

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), act))

    def run(self, seconds: float) -> None:
        """Let everything happen that is due within `seconds`."""
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, act = heapq.heappop(self._events)
            act()
        self.now = end


@dataclass
class ModelRow:
    """A row of `feed_leases`."""

    owner: str = ""
    epoch: int = 0
    expires_at: float | None = None


class ModelServer:
    """PostgreSQL, as far as ownership is concerned."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.started_at = clock.now - 3_600.0
        self.is_up = True
        self.rows = {number: ModelRow() for number in range(1, CONNECTIONS + 1)}
        self.locks: dict[int, tuple[ModelSession, int]] = {}
        """Who holds the lock of each number, and how often: as many unlocks free it."""
        self.takeovers = 0

    def stop(self) -> None:
        """Go down; every session ends."""
        self.is_up = False
        self.locks.clear()

    def start(self) -> None:
        self.is_up, self.started_at = True, self.clock.now

    def end(self, session: "ModelSession") -> None:
        """End a session, which frees its locks."""
        session.is_open = False
        self.locks = {number: lock for number, lock in self.locks.items() if lock[0] is not session}


class ModelSession:
    """Has the methods of `LeaseStatements`; `parameters` name the server."""

    def __init__(self, parameters: Mapping[str, Any], owner: str) -> None:
        self._server: ModelServer = parameters["server"]
        self._owner = owner
        self._started = self._server.started_at
        self.is_open = True
        self._insist()

    def close(self) -> None:
        self._server.end(self)

    def list_unowned(self, owned: frozenset[Lease], *, frozen_seconds: float) -> list[UnownedLease]:
        numbers = {one.connection for one in owned}
        return [
            UnownedLease(Lease(number, row.epoch, former is not None), former)
            for number, row in self._rows().items()
            if number not in numbers
            for former in [self._former(row, frozen_seconds)]
        ]

    def _former(self, row: ModelRow, frozen_seconds: float) -> FormerOwner | None:
        if row.owner in {"", self._owner}:
            return None
        assert row.expires_at is not None
        was_heard = row.expires_at - TTL_SECONDS > self._server.started_at
        return FormerOwner(row.owner, self._is_long_silent(row, frozen_seconds), was_heard)

    def _is_long_silent(self, row: ModelRow, frozen_seconds: float) -> bool:
        if row.expires_at is None:
            return False
        since = max(row.expires_at, self._server.started_at + TTL_SECONDS)
        return since < self._server.clock.now - frozen_seconds

    def take(self, seen: Lease) -> Lease | None:
        if not self.lock(seen.connection):
            return None
        row = self._rows()[seen.connection]
        is_settled = self._server.clock.now - self._server.started_at > FORMER_OWNERS_FIRST_SECONDS
        if row.epoch != seen.epoch or not (row.owner in {"", self._owner} or is_settled):
            self.unlock(seen.connection)
            return None
        self._server.takeovers += row.owner not in {"", self._owner}
        row.owner, row.epoch, row.expires_at = self._owner, row.epoch + 1, self._server.clock.now + TTL_SECONDS
        return Lease(seen.connection, row.epoch, seen.is_inherited)

    def renew(self, owned: frozenset[Lease]) -> frozenset[Lease]:
        rows = self._rows()
        ours = {
            one for one in owned if (rows[one.connection].owner, rows[one.connection].epoch) == (self._owner, one.epoch)
        }
        for one in ours:
            rows[one.connection].expires_at = self._server.clock.now + TTL_SECONDS
        return frozenset(ours)

    def release(self, lease: Lease) -> None:
        row = self._rows()[lease.connection]
        if (row.owner, row.epoch) == (self._owner, lease.epoch):
            row.owner, row.expires_at = "", None
        self.unlock(lease.connection)

    def lock(self, number: int) -> bool:
        self._insist()
        holder, times = self._server.locks.get(number, (self, 0))
        if holder is self:
            self._server.locks[number] = self, times + 1
        return holder is self

    def unlock(self, number: int) -> None:
        self._insist()
        holder, times = self._server.locks.get(number, (None, 0))
        if holder is self and times == 1:
            del self._server.locks[number]
        elif holder is self:
            self._server.locks[number] = self, times - 1

    def end_frozen(self, seen: Lease, *, after_seconds: float) -> str | None:
        row, (holder, _) = self._rows()[seen.connection], self._server.locks.get(seen.connection, (None, 0))
        if holder is None or row.owner == "" or row.epoch != seen.epoch or holder._owner != row.owner:
            return None
        if not self._is_long_silent(row, after_seconds):
            return None
        self._server.end(holder)
        return row.owner

    def read_cooldown(self) -> Cooldown | None:
        self._insist()
        return None

    def note_opened(self) -> None:
        self._insist()

    def _rows(self) -> dict[int, ModelRow]:
        self._insist()
        return self._server.rows

    def _insist(self) -> None:
        if not (self.is_open and self._server.is_up and self._started == self._server.started_at):
            raise psycopg.OperationalError("the session has ended")
