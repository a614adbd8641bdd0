"""Keeps the leases of this worker: takes connections over, renews them each second, and guards the account's gate.

A lease (a row of `feed_leases`, renewed each second) shows that the owner's loop runs. A session advisory lock on the
same database connection shows that its process lives: PostgreSQL frees it milliseconds after a kill -9 and keeps it
during a freeze. The table `subscriptions.domain.ownership.ACTIONS` permits the actions for each state of the two.
`LeaseKeeper.run` has a thread for itself: a busy event loop must not cost a lease, and a slow database must not stop
the event loop.
"""

import logging
import queue
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import psycopg

from marketdata.domain.backoff import seconds_after
from subscriptions.domain.ownership import ACTIONS, Action, LeaseState, LockState, ProcessStatus
from subscriptions.feed.ownership.processes import process_status
from subscriptions.feed.ownership.statements import GATE, TTL_SECONDS, Cooldown, Lease, LeaseStatements

logger = logging.getLogger(__name__)

# Chosen: a third of a lease's time, so one beat may fail.
BEAT_SECONDS: Final = 1.0
# docs/dhan.md: the broker drops a client that is silent for 40 s; chosen: 5 s more.
FROZEN_SECONDS: Final = 45.0
# Chosen: above the sum of the timeouts in `statements.connection_parameters` (8 s), so a longer one was a freeze.
LONGEST_ATTEMPT_SECONDS: Final = 10.0
# The longest time without an answer of a thread that runs: one failed attempt and the pause after it.
LONGEST_UNSURE_SECONDS: Final = LONGEST_ATTEMPT_SECONDS + BEAT_SECONDS

_RETRY_SECONDS: Final = 0.1  # Chosen: the first retry; it doubles up to a beat.

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _KnownCooldown:
    """A cooldown on this worker's clock; `is_recorded` once PostgreSQL has it, so that the other workers see it."""

    cooldown: Cooldown
    until: float
    grows: bool
    is_recorded: bool


class LeaseKeeper:
    """Takes over connections up to a limit and renews them.

    `run` blocks until `stop`; the other methods may be called from any thread. The thread of `run` calls `on_change`
    with all leases it owns after each change, and `on_cooldown_change` with the rest of the account's cooldown.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        *,
        owner: str,
        limit: int,
        on_change: Callable[[frozenset[Lease]], None],
        on_cooldown_change: Callable[[Cooldown | None], None] = lambda _cooldown: None,
        frozen_seconds: float = FROZEN_SECONDS,
        process_status: Callable[[str], ProcessStatus] = process_status,
        connect: Callable[[Mapping[str, Any], str], LeaseStatements] = LeaseStatements,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parameters = parameters
        self._owner = owner
        self._limit = limit
        self._on_change = on_change
        self._on_cooldown_change = on_cooldown_change
        self._frozen_seconds = frozen_seconds
        self._process_status = process_status
        self._connect = connect
        self._clock = clock
        self._cooldown: _KnownCooldown | None = None
        self._confirmed_at = self._renewed_at = clock()
        self._owned: frozenset[Lease] = frozenset()
        self._unlocked: frozenset[int] = frozenset()
        self._database: LeaseStatements | None = None
        self._is_reachable = True
        self._failures = 0
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def run(self) -> None:
        """Keep leases until `stop`, then release them."""
        next_beat = self._clock()
        while True:
            # The inbox is the only way in: all statements run in this thread, so no lock guards the database
            # connection. Waiting for a command is also the pause until the next beat.
            try:
                command = self._inbox.get(timeout=max(0.0, next_beat - self._clock()))
            except queue.Empty:
                next_beat = self._clock() + self._pause_after(is_renewed=bool(self._with_database(self._beat)))
                continue
            if command is None:
                break
            command()  # Between two beats: an opening does not wait for the next one.
        self._with_database(self._release_all)
        self._close_database()

    def stop(self) -> None:
        """Let `run` release all leases and return."""
        self._inbox.put(None)

    def is_confirmed(self) -> bool:
        """Return whether the leases were confirmed within the last lease time, so that no other worker has them.

        False after a freeze: the thawed process must neither open nor send before the next confirmation.
        """
        # A lease lives this long after its renewal, and no other worker may take it over before.
        return self._clock() - self._confirmed_at < TTL_SECONDS

    def renewed_at(self) -> float:
        """Return when the last successful renewal began, on the clock of this keeper."""
        return self._renewed_at

    def try_gate(self) -> "Future[bool]":
        """Try to acquire the account-wide right to open a socket; the future has the answer within an attempt.

        True while PostgreSQL is unreachable: no connection can change its owner then, and each worker opens one socket
        at a time. False during a cooldown.
        """
        answer: Future[bool] = Future()

        def ask() -> None:
            is_granted = self._is_granted()
            if answer.set_running_or_notify_cancel():
                answer.set_result(is_granted)
            # The asking task was cancelled in between: without this the lock would stay taken.
            elif is_granted:
                self._with_database(lambda statements: statements.unlock(GATE))

        self._inbox.put(ask)
        return answer

    def ask(self, act: Callable[[LeaseStatements], Answer]) -> "Future[Answer | None]":
        """Run statements between two beats; the future has their answer, None while PostgreSQL is unreachable."""
        answer: Future[Answer | None] = Future()

        def run() -> None:
            if answer.set_running_or_notify_cancel():
                answer.set_result(self._with_database(act))

        self._inbox.put(run)
        return answer

    def start_cooldown(self, cooldown: Cooldown, *, grows: bool = False) -> None:
        """Start a cooldown for every worker; with `grows` it doubles with each refusal in a row."""

        def start() -> None:
            # Known here before it is recorded: it counts for this worker even if PostgreSQL is unreachable.
            self._cooldown = _KnownCooldown(cooldown, self._clock() + cooldown.seconds, grows, is_recorded=False)
            self._on_cooldown_change(cooldown)
            self._with_database(self._sync_cooldown)

        self._inbox.put(start)

    def note_opened(self) -> None:
        """Record that the broker accepted a socket of this worker."""
        self._inbox.put(lambda: self._with_database(lambda statements: statements.note_opened()))

    def release_gate(self) -> None:
        """Free the account-wide lock, so that another worker may open a socket."""
        self._inbox.put(lambda: self._with_database(lambda statements: statements.unlock(GATE)))

    def _pause_after(self, *, is_renewed: bool) -> float:
        """Return the seconds to the next beat; short after a failure, since a lost database session freed its locks."""
        # Another worker could see the free locks; it waits while this process runs, but one on another host does not.
        self._failures = 0 if is_renewed else self._failures + 1
        return BEAT_SECONDS if is_renewed else seconds_after(self._failures, first=_RETRY_SECONDS, longest=BEAT_SECONDS)

    def _is_granted(self) -> bool:
        # 1. A cooldown that this worker knows needs no query.
        if self._cooldown is not None and self._clock() < self._cooldown.until:
            return False
        # 2. Ask PostgreSQL for the lock and for the cooldowns of other workers.
        granted = self._with_database(self._pass_gate)
        if granted is None:
            # 3. PostgreSQL is unreachable. A cooldown unknown to the other workers does not end by time alone.
            return self._cooldown is None or self._cooldown.is_recorded
        return granted

    def _pass_gate(self, statements: LeaseStatements) -> bool:
        # The lock comes first: a cooldown that another worker starts inside its turn is recorded before it frees it.
        if not statements.lock(GATE):
            return False
        if self._sync_cooldown(statements):
            statements.unlock(GATE)
            return False
        return True

    def _sync_cooldown(self, statements: LeaseStatements) -> bool:
        """Record our own cooldown, read the account's and report it; return whether one runs."""
        if self._cooldown is not None and not self._cooldown.is_recorded:
            # Recorded late after an outage of PostgreSQL: only the rest of it counts.
            left = self._cooldown.until - self._clock()
            if left > 0:
                statements.start_cooldown(replace(self._cooldown.cooldown, seconds=left), grows=self._cooldown.grows)
        # The row has the longest cooldown of all workers, as remaining seconds: hosts' clocks may differ.
        cooldown = statements.read_cooldown()
        self._cooldown = None
        if cooldown is not None:
            self._cooldown = _KnownCooldown(cooldown, self._clock() + cooldown.seconds, grows=False, is_recorded=True)
        self._on_cooldown_change(cooldown)
        return cooldown is not None

    def _with_database(self, act: Callable[[LeaseStatements], Answer]) -> Answer | None:
        """Return the result of `act`; None if PostgreSQL is unreachable, and then there is no connection to it."""
        # Taken before the attempt: a confirmation must not count the time that the attempt took.
        started_at = self._clock()
        had_connection = self._database is not None
        try:
            if self._database is None:
                self._database = self._connect(self._parameters, self._owner)
                # A new session owns no locks; `_renew` acquires them again.
                self._unlocked = frozenset(lease.connection for lease in self._owned)
            answer = act(self._database)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self._close_database()
            # A session that broke may have been ended by a successor. Only a failed attempt to connect shows that
            # PostgreSQL itself is unreachable.
            if not had_connection:
                self._note_unreachable(started_at)
            self._note_reachable(is_reachable=False, reason=type(error).__name__)
            return None
        self._note_reachable(is_reachable=True)
        return answer

    def _note_unreachable(self, started_at: float) -> None:
        """Count a failed attempt to connect as a confirmation, if this thread ran all the time.

        While PostgreSQL is unreachable no other worker can take a lease over either. That is true for the time of the
        attempt only. If the attempt or the time before it was longer than a running thread needs, the thread was
        frozen, and another worker may have taken the leases while PostgreSQL was still there.
        """
        now = self._clock()
        if now - started_at < LONGEST_ATTEMPT_SECONDS and started_at - self._confirmed_at < LONGEST_UNSURE_SECONDS:
            self._confirmed_at = now

    def _beat(self, statements: LeaseStatements) -> bool:
        # 1. Renew. The confirmation counts from before the statement: the lease runs at least from then on.
        started_at = self._clock()
        self._renew(statements)
        self._confirmed_at = self._renewed_at = started_at
        # 2. Exchange the cooldown with the other workers.
        self._sync_cooldown(statements)
        # 3. Take over free connections.
        if len(self._owned) < self._limit:
            self._take_free(statements)
        return True

    def _renew(self, statements: LeaseStatements) -> None:
        """Renew the leases, drop the lost ones and acquire missing locks again."""
        renewed = statements.renew(self._owned) if self._owned else frozenset()
        kept = set()
        for lease in self._owned:
            lock = LockState.TAKEN if lease.connection in self._unlocked else LockState.FREE
            state = LeaseState.OURS if lease in renewed else LeaseState.LOST
            if ACTIONS[lock, state, ProcessStatus.RUNNING] is Action.KEEP:
                kept.add(lease)
            else:
                statements.unlock(lease.connection)  # The callback below closes the socket.
        numbers = {lease.connection for lease in kept}
        # PostgreSQL may need seconds to notice that our former session has ended; each beat tries again.
        self._unlocked = frozenset(one for one in self._unlocked & numbers if not statements.lock(one))
        self._set_owned(frozenset(kept))

    def _take_free(self, statements: LeaseStatements) -> None:
        for unowned in statements.list_unowned(self._owned, frozen_seconds=self._frozen_seconds):
            if len(self._owned) == self._limit:
                return
            seen, state = unowned.lease, unowned.state
            # The process is looked up before the lock is tried: one that is gone stays gone. A vacant lease names none.
            process = self._process_status(unowned.owner) if unowned.owner else ProcessStatus.GONE
            # Whether the lock is free shows only when it is tried: first the action for a free lock.
            may_take = ACTIONS[LockState.FREE, state, process] is Action.TAKE_OVER
            is_owner_gone = process is ProcessStatus.GONE
            taken = statements.take(seen, is_owner_gone=is_owner_gone) if may_take else None
            if taken is not None:
                self._set_owned(self._owned | {taken})
            elif ACTIONS[LockState.TAKEN, state, process] is Action.END_SESSION:
                self._end_session(statements, seen)

    def _end_session(self, statements: LeaseStatements, seen: Lease) -> None:
        """End the session of a silent owner; the next beat finds its lock free and takes the connection over."""
        frozen = statements.end_frozen(seen, after_seconds=self._frozen_seconds)
        if frozen is not None:
            logger.warning(
                "connection %d, epoch %d: owner %s silent for %.0f s after its lease expired; database session ended",
                seen.connection,
                seen.epoch,
                frozen,
                self._frozen_seconds,
            )

    def _release_all(self, statements: LeaseStatements) -> None:
        # Called after the sockets are closed: a successor opens at once.
        for lease in self._owned:
            statements.release(lease)
        self._set_owned(frozenset())

    def _set_owned(self, owned: frozenset[Lease]) -> None:
        if owned == self._owned:
            return
        self._owned = owned
        self._on_change(owned)

    def _close_database(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _note_reachable(self, *, is_reachable: bool, reason: str = "") -> None:
        if is_reachable is self._is_reachable:
            return
        self._is_reachable = is_reachable
        if is_reachable:
            logger.warning("lease database reachable again; %d connections owned", len(self._owned))
        else:
            logger.warning("lease database unreachable (%s); %d connections owned", reason, len(self._owned))
