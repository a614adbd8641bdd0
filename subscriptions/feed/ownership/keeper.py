"""Which connections this worker owns: leases with an epoch, advisory locks, and the gate before an opening.

Theory of operation. Ownership has two signs of life. The *lease*, a row of `feed_leases`, is renewed every
second and says that the owner's loop runs. A *session advisory lock* on the same database connection says that
its process lives: it is free milliseconds after a kill -9 and stays held through a freeze. A lock that is free
is taken at once, and taking raises the epoch in one compare-and-set; except from a process that is seen to run, or
whose session ended with PostgreSQL itself (`subscriptions.domain.ownership`). One that is held while the lease has run
out belongs to a process that is frozen or cut off and may still have its socket: nobody opens another until its
process has ended or `frozen_seconds` have passed, for the broker drops a silent client after 40. Then its database
session is ended, which frees the lock (docs/decisions/0010-frozen-owners.md).

A lease is lost when another owner has raised its epoch, and only then. While PostgreSQL cannot be reached
nobody can take anything over, so owners keep what they hold; when it is back they renew under the epoch they
have, and get their locks again as soon as the server has noticed that the former session is gone. For the
first seconds of a PostgreSQL server only former owners may take, because the others may still be streaming.

An owner that wakes from a freeze does not know what happened. `is_assured` says whether this thread has looked lately;
nothing is opened and nothing sent while it has not.

`LeaseKeeper.run` belongs in a thread of its own: a busy event loop must not cost the lease, and a slow database
must not stop the loop. Statements are in `leases`.
"""

import logging
import queue
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import psycopg

from subscriptions.domain.ownership import ProcessStatus, may_take_from
from subscriptions.feed.ownership.processes import process_status
from subscriptions.feed.ownership.statements import GATE, TTL_SECONDS, Cooldown, Lease, LeaseStatements

logger = logging.getLogger(__name__)

BEAT_SECONDS: Final = 1.0
FROZEN_SECONDS: Final = 45.0
LONGEST_ATTEMPT_SECONDS: Final = 10.0
"""No attempt at the database lasts longer; a thread that was in one for longer did not run."""
LONGEST_UNSURE_SECONDS: Final = LONGEST_ATTEMPT_SECONDS + BEAT_SECONDS
"""A thread that runs is never without a look for longer: one that failed, and the pause after it."""

_RETRY_SECONDS: Final = 0.05

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _KnownCooldown:
    """A quiet as this worker knows it, on its own clock; `is_recorded` once the others can know it too."""

    cooldown: Cooldown
    until: float
    grows: bool
    is_recorded: bool


class LeaseKeeper:
    """Takes free connections up to a limit, renews what it holds, and tells of every change.

    `run` blocks until `stop`; the other methods may be called from any thread. `tell` is called from the
    thread of `run` with everything that is held, `tell_quiet` with what is left of the account's quiet.
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
    ) -> None:
        self._parameters = parameters
        self._owner = owner
        self._limit = limit
        self._on_change = on_change
        self._on_cooldown_change = on_cooldown_change
        self._frozen_seconds = frozen_seconds
        self._process_status = process_status
        self._cooldown: _KnownCooldown | None = None
        self._confirmed_at = self._renewed_at = time.monotonic()
        self._owned: frozenset[Lease] = frozenset()
        self._unlocked: frozenset[int] = frozenset()
        self._database: LeaseStatements | None = None
        self._is_reachable = True
        self._failures = 0
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def run(self) -> None:
        """Keep leases until told to stop, then release them."""
        next_beat = time.monotonic()
        while True:
            try:
                command = self._inbox.get(timeout=max(0.0, next_beat - time.monotonic()))
            except queue.Empty:
                next_beat = time.monotonic() + self._pause_after(is_renewed=bool(self._with_database(self._beat)))
                continue
            if command is None:
                break
            command()
        self._with_database(self._release_all)
        self._close_database()

    def stop(self) -> None:
        """Let `run` release everything and return."""
        self._inbox.put(None)

    def is_confirmed(self) -> bool:
        """Say whether this thread has looked so lately that what is held is still ours."""
        return time.monotonic() - self._confirmed_at < TTL_SECONDS

    def renewed_at(self) -> float:
        """Return when the look began that renewed what is held last, of `time.monotonic`."""
        return self._renewed_at

    def try_gate(self) -> "Future[bool]":
        """Ask for the account-wide right to open a socket; the answer comes at once.

        Yes while PostgreSQL cannot be reached: nobody new can own a connection then, and a worker opens one
        at a time of its own accord. Never while the account is to be quiet, as far as this worker knows.
        """
        answer: Future[bool] = Future()

        def ask() -> None:
            is_granted = self._is_granted()
            if answer.set_running_or_notify_cancel():
                answer.set_result(is_granted)
            elif is_granted:
                self._with_database(lambda statements: statements.unlock(GATE))

        self._inbox.put(ask)
        return answer

    def start_cooldown(self, cooldown: Cooldown, *, grows: bool = False) -> None:
        """Let nobody open a socket for a while, whichever worker asks; with `grows`, longer each time in a row."""

        def start() -> None:
            self._cooldown = _KnownCooldown(cooldown, time.monotonic() + cooldown.seconds, grows, is_recorded=False)
            self._on_cooldown_change(cooldown)
            self._with_database(self._sync_cooldown)

        self._inbox.put(start)

    def note_opened(self) -> None:
        """Take note that the broker gave this worker a socket."""
        self._inbox.put(lambda: self._with_database(LeaseStatements.note_opened))

    def release_gate(self) -> None:
        """Let another worker open a socket."""
        self._inbox.put(lambda: self._with_database(lambda statements: statements.unlock(GATE)))

    def _pause_after(self, *, is_renewed: bool) -> float:
        """Return the time to the next beat. A lost session is replaced at once: its locks are free meanwhile."""
        self._failures = 0 if is_renewed else self._failures + 1
        return BEAT_SECONDS if is_renewed else min(BEAT_SECONDS, _RETRY_SECONDS * 2.0**self._failures)

    def _is_granted(self) -> bool:
        if self._cooldown is not None and time.monotonic() < self._cooldown.until:
            return False
        granted = self._with_database(self._pass_gate)
        if granted is None:  # Out of reach. What the others were not told of ends no sooner than they can be told.
            return self._cooldown is None or self._cooldown.is_recorded
        return granted

    def _pass_gate(self, statements: LeaseStatements) -> bool:
        if not statements.lock(GATE):
            return False
        if self._sync_cooldown(statements):
            statements.unlock(GATE)
            return False
        return True

    def _sync_cooldown(self, statements: LeaseStatements) -> bool:
        """Record what is not recorded yet, learn what the others ask for, and tell; True while it is quiet."""
        if self._cooldown is not None and not self._cooldown.is_recorded:
            left = self._cooldown.until - time.monotonic()
            if left > 0:
                statements.start_cooldown(replace(self._cooldown.cooldown, seconds=left), grows=self._cooldown.grows)
        cooldown = statements.read_cooldown()
        self._cooldown = None
        if cooldown is not None:
            self._cooldown = _KnownCooldown(
                cooldown, time.monotonic() + cooldown.seconds, grows=False, is_recorded=True
            )
        self._on_cooldown_change(cooldown)
        return cooldown is not None

    def _with_database(self, act: Callable[[LeaseStatements], Answer]) -> Answer | None:
        """Return what `act` gives; None, and no session, if PostgreSQL cannot be reached."""
        started_at = time.monotonic()
        had_connection = self._database is not None
        try:
            if self._database is None:
                self._database = LeaseStatements(self._parameters, self._owner)
                self._unlocked = frozenset(lease.connection for lease in self._owned)
            answer = act(self._database)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self._close_database()
            if not had_connection:
                self._note_out_of_reach(started_at)
            self._note_reachable(is_reachable=False, reason=type(error).__name__)
            return None
        self._note_reachable(is_reachable=True)
        return answer

    def _note_out_of_reach(self, started_at: float) -> None:
        """A database that cannot be reached takes nothing from us; it may have before, if we have not looked for long.

        Neither the attempt nor the time before it may have been longer than a thread that runs can need.
        """
        now = time.monotonic()
        if now - started_at < LONGEST_ATTEMPT_SECONDS and started_at - self._confirmed_at < LONGEST_UNSURE_SECONDS:
            self._confirmed_at = now

    def _beat(self, statements: LeaseStatements) -> bool:
        looked_at = time.monotonic()
        ours = statements.renew(self._owned) if self._owned else frozenset()
        for lease in self._owned - ours:
            statements.unlock(lease.connection)
        owned_numbers = frozenset(lease.connection for lease in ours)
        self._unlocked = frozenset(one for one in self._unlocked & owned_numbers if not statements.lock(one))
        self._set_owned(ours)
        self._confirmed_at = self._renewed_at = looked_at
        self._sync_cooldown(statements)
        if len(self._owned) < self._limit:
            self._take_free(statements)
        return True

    def _take_free(self, statements: LeaseStatements) -> None:
        for unowned in statements.list_unowned(self._owned, frozen_seconds=self._frozen_seconds):
            if len(self._owned) == self._limit:
                return
            seen, former = unowned.lease, unowned.former
            # Asked before the lock is tried: a process that is gone stays gone.
            may_take = former is None or may_take_from(former, self._process_status(former.name))
            taken = statements.take(seen) if may_take else None
            if taken is not None:
                self._set_owned(self._owned | {taken})
            elif (frozen := statements.end_frozen(seen, after_seconds=self._frozen_seconds)) is not None:
                logger.warning(
                    "connection %d, epoch %d: %s has not renewed its lease for %.0f s; its session is ended",
                    seen.connection,
                    seen.epoch,
                    frozen,
                    self._frozen_seconds,
                )

    def _release_all(self, statements: LeaseStatements) -> None:
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
            logger.warning("the lease database is back; %d connections held", len(self._owned))
        else:
            logger.warning("the lease database is unreachable (%s); %d connections held", reason, len(self._owned))
