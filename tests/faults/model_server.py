"""A model of PostgreSQL for ownership: leases, advisory locks and sessions, on a clock that jumps between events.

`tests/integration/subscriptions/feed/test_lease_model.py` compares it with the real statements.
"""

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from subscriptions.domain.ownership import ACTIONS, Action, LeaseState, LockState, ProcessStatus
from subscriptions.feed.ownership.statements import (
    FORMER_OWNERS_FIRST_SECONDS,
    TTL_SECONDS,
    Cooldown,
    Lease,
    UnownedLease,
    lease_state,
)

CONNECTIONS: Final = 5


class Clock:
    """A clock and its scheduled events."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def monotonic(self) -> float:
        return self.now

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), act))

    def run(self, seconds: float) -> None:
        """Run all events of the next `seconds`."""
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
    """The part of PostgreSQL that ownership needs.

    With `process_status`, the status that workers see of a lease's owner, every takeover and every ended session is
    checked against the table of ownership rules.
    """

    def __init__(self, clock: Clock, process_status: Callable[[str], ProcessStatus] | None = None) -> None:
        self.clock = clock
        self._process_status = process_status
        self.used: Counter[tuple[LockState, LeaseState, ProcessStatus]] = Counter()
        """The number of uses of each ownership rule."""
        self.started_at = clock.now - 3_600.0
        self.is_up = True
        self.rows = {number: ModelRow() for number in range(1, CONNECTIONS + 1)}
        self.locks: dict[int, tuple[ModelSession, int]] = {}
        """The session that owns the lock of each number, and the number of unlocks that free it."""
        self.takeovers = 0

    def stop(self) -> None:
        """Stop the server; every session ends."""
        self.is_up = False
        self.locks.clear()

    def start(self) -> None:
        self.is_up, self.started_at = True, self.clock.now

    def follow(self, lock: LockState, unowned: UnownedLease, action: Action) -> None:
        """Assert that the table of ownership rules demands `action` in the present state."""
        if self._process_status is None:
            return
        process = self._process_status(unowned.owner) if unowned.owner else ProcessStatus.GONE
        assert ACTIONS[lock, unowned.state, process] is action, (lock, unowned, process)
        self.used[lock, unowned.state, process] += 1

    def end(self, session: "ModelSession") -> None:
        """End a session, which frees its locks."""
        session.is_open = False
        self.locks = {number: lock for number, lock in self.locks.items() if lock[0] is not session}


class ModelSession:
    """A substitute for `LeaseStatements` with the same methods; `parameters` contain the model server."""

    def __init__(self, parameters: Mapping[str, Any], owner: str) -> None:
        self._server: ModelServer = parameters["server"]
        self._owner = owner
        self._started = self._server.started_at
        self._frozen_seconds = math.inf
        self.is_open = True
        self._check_open()

    def close(self) -> None:
        self._server.end(self)

    def list_unowned(self, owned: frozenset[Lease], *, frozen_seconds: float) -> list[UnownedLease]:
        numbers = {one.connection for one in owned}
        self._frozen_seconds = frozen_seconds
        return [self._see(number) for number in self._rows() if number not in numbers]

    def _see(self, number: int) -> UnownedLease:
        row = self._rows()[number]
        owner = "" if row.owner == self._owner else row.owner
        is_proven = row.expires_at is not None and row.expires_at - TTL_SECONDS > self._server.started_at
        state = lease_state(owner, self._is_long_silent(row, self._frozen_seconds), is_proven)
        return UnownedLease(Lease(number, row.epoch, bool(owner)), owner, state)

    def _is_long_silent(self, row: ModelRow, frozen_seconds: float) -> bool:
        if row.expires_at is None:
            return False
        since = max(row.expires_at, self._server.started_at + TTL_SECONDS)
        return since < self._server.clock.now - frozen_seconds

    def take(self, seen: Lease, *, is_owner_gone: bool = False) -> Lease | None:
        if not self.lock(seen.connection):
            return None
        row = self._rows()[seen.connection]
        is_settled = self._server.clock.now - self._server.started_at > FORMER_OWNERS_FIRST_SECONDS
        if row.epoch != seen.epoch or not (row.owner in {"", self._owner} or is_owner_gone or is_settled):
            self.unlock(seen.connection)
            return None
        self._server.takeovers += row.owner not in {"", self._owner}
        self._server.follow(LockState.FREE, self._see(seen.connection), Action.TAKE_OVER)
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
        self._check_open()
        lock_owner, times = self._server.locks.get(number, (self, 0))
        if lock_owner is self:
            self._server.locks[number] = self, times + 1
        return lock_owner is self

    def unlock(self, number: int) -> None:
        self._check_open()
        lock_owner, times = self._server.locks.get(number, (None, 0))
        if lock_owner is self and times == 1:
            del self._server.locks[number]
        elif lock_owner is self:
            self._server.locks[number] = self, times - 1

    def end_frozen(self, seen: Lease, *, after_seconds: float) -> str | None:
        row, (lock_owner, _) = self._rows()[seen.connection], self._server.locks.get(seen.connection, (None, 0))
        if lock_owner is None or row.owner == "" or row.epoch != seen.epoch or lock_owner._owner != row.owner:
            return None
        if not self._is_long_silent(row, after_seconds):
            return None
        self._server.follow(LockState.TAKEN, self._see(seen.connection), Action.END_SESSION)
        self._server.end(lock_owner)
        return row.owner

    def read_cooldown(self) -> Cooldown | None:
        self._check_open()
        return None

    def note_opened(self) -> None:
        self._check_open()

    def _rows(self) -> dict[int, ModelRow]:
        self._check_open()
        return self._server.rows

    def _check_open(self) -> None:
        if not (self.is_open and self._server.is_up and self._started == self._server.started_at):
            raise psycopg.OperationalError("the session has ended")
