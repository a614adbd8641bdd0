"""Which connections this worker owns: leases with an epoch, advisory locks, and the gate before an opening.

Theory of operation. Ownership has two signs of life. The *lease*, a row of `feed_leases`, is renewed every
second and says that the owner's loop runs. A *session advisory lock* on the same database connection says that
its process lives: it is free milliseconds after a kill -9 and stays held through a freeze. A lock that is free
is taken at once, and taking raises the epoch in one compare-and-set; except from a process that is seen to run, or
whose session ended with PostgreSQL itself (`subscriptions.domain.takeovers`). One that is held while the lease has run
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

from subscriptions.domain.takeovers import Presence, may_take_from
from subscriptions.feed.ownership.processes import presence_of
from subscriptions.feed.ownership.statements import GATE, TTL_SECONDS, Lease, LeaseSession, Quiet

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
class _Imposed:
    """A quiet as this worker knows it, on its own clock; `is_recorded` once the others can know it too."""

    quiet: Quiet
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
        tell: Callable[[frozenset[Lease]], None],
        tell_quiet: Callable[[Quiet | None], None] = lambda _quiet: None,
        frozen_seconds: float = FROZEN_SECONDS,
        presence_of: Callable[[str], Presence] = presence_of,
    ) -> None:
        self._parameters = parameters
        self._owner = owner
        self._limit = limit
        self._tell = tell
        self._tell_quiet = tell_quiet
        self._frozen_seconds = frozen_seconds
        self._presence_of = presence_of
        self._imposed: _Imposed | None = None
        self._assured_at = self._renewed_at = time.monotonic()
        self._held: frozenset[Lease] = frozenset()
        self._unlocked: frozenset[int] = frozenset()
        self._session: LeaseSession | None = None
        self._is_reachable = True
        self._failures = 0
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def run(self) -> None:
        """Keep leases until told to stop, then release them."""
        next_beat = time.monotonic()
        while True:
            try:
                errand = self._inbox.get(timeout=max(0.0, next_beat - time.monotonic()))
            except queue.Empty:
                next_beat = time.monotonic() + self._pause_after(is_renewed=bool(self._with_session(self._beat)))
                continue
            if errand is None:
                break
            errand()
        self._with_session(self._release_all)
        self._close_session()

    def stop(self) -> None:
        """Let `run` release everything and return."""
        self._inbox.put(None)

    def is_assured(self) -> bool:
        """Say whether this thread has looked so lately that what is held is still ours."""
        return time.monotonic() - self._assured_at < TTL_SECONDS

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
                self._with_session(lambda session: session.unlock(GATE))

        self._inbox.put(ask)
        return answer

    def impose_quiet(self, quiet: Quiet, *, grows: bool = False) -> None:
        """Let nobody open a socket for a while, whichever worker asks; with `grows`, longer each time in a row."""

        def impose() -> None:
            self._imposed = _Imposed(quiet, time.monotonic() + quiet.seconds, grows, is_recorded=False)
            self._tell_quiet(quiet)
            self._with_session(self._follow_quiet)

        self._inbox.put(impose)

    def note_opened(self) -> None:
        """Take note that the broker gave this worker a socket."""
        self._inbox.put(lambda: self._with_session(LeaseSession.note_opened))

    def free_gate(self) -> None:
        """Let another worker open a socket."""
        self._inbox.put(lambda: self._with_session(lambda session: session.unlock(GATE)))

    def _pause_after(self, *, is_renewed: bool) -> float:
        """Return the time to the next beat. A lost session is replaced at once: its locks are free meanwhile."""
        self._failures = 0 if is_renewed else self._failures + 1
        return BEAT_SECONDS if is_renewed else min(BEAT_SECONDS, _RETRY_SECONDS * 2.0**self._failures)

    def _is_granted(self) -> bool:
        if self._imposed is not None and time.monotonic() < self._imposed.until:
            return False
        granted = self._with_session(self._pass_gate)
        if granted is None:  # Out of reach. What the others were not told of ends no sooner than they can be told.
            return self._imposed is None or self._imposed.is_recorded
        return granted

    def _pass_gate(self, session: LeaseSession) -> bool:
        if not session.lock(GATE):
            return False
        if self._follow_quiet(session):
            session.unlock(GATE)
            return False
        return True

    def _follow_quiet(self, session: LeaseSession) -> bool:
        """Record what is not recorded yet, learn what the others ask for, and tell; True while it is quiet."""
        if self._imposed is not None and not self._imposed.is_recorded:
            left = self._imposed.until - time.monotonic()
            if left > 0:
                session.impose_quiet(replace(self._imposed.quiet, seconds=left), grows=self._imposed.grows)
        quiet = session.read_quiet()
        self._imposed = None
        if quiet is not None:
            self._imposed = _Imposed(quiet, time.monotonic() + quiet.seconds, grows=False, is_recorded=True)
        self._tell_quiet(quiet)
        return quiet is not None

    def _with_session(self, act: Callable[[LeaseSession], Answer]) -> Answer | None:
        """Return what `act` gives; None, and no session, if PostgreSQL cannot be reached."""
        started_at = time.monotonic()
        had_session = self._session is not None
        try:
            if self._session is None:
                self._session = LeaseSession(self._parameters, self._owner)
                self._unlocked = frozenset(lease.connection for lease in self._held)
            answer = act(self._session)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self._close_session()
            if not had_session:
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
        if now - started_at < LONGEST_ATTEMPT_SECONDS and started_at - self._assured_at < LONGEST_UNSURE_SECONDS:
            self._assured_at = now

    def _beat(self, session: LeaseSession) -> bool:
        looked_at = time.monotonic()
        ours = session.renew(self._held) if self._held else frozenset()
        for lease in self._held - ours:
            session.unlock(lease.connection)
        held_numbers = frozenset(lease.connection for lease in ours)
        self._unlocked = frozenset(one for one in self._unlocked & held_numbers if not session.lock(one))
        self._become(ours)
        self._assured_at = self._renewed_at = looked_at
        self._follow_quiet(session)
        if len(self._held) < self._limit:
            self._take_free(session)
        return True

    def _take_free(self, session: LeaseSession) -> None:
        for unheld in session.list_unheld(self._held, frozen_seconds=self._frozen_seconds):
            if len(self._held) == self._limit:
                return
            seen, former = unheld.lease, unheld.former
            # Asked before the lock is tried: a process that is gone stays gone.
            may_take = former is None or may_take_from(former, self._presence_of(former.name))
            taken = session.take(seen) if may_take else None
            if taken is not None:
                self._become(self._held | {taken})
            elif (frozen := session.end_frozen(seen, after_seconds=self._frozen_seconds)) is not None:
                logger.warning(
                    "connection %d, epoch %d: %s has not renewed its lease for %.0f s; its session is ended",
                    seen.connection,
                    seen.epoch,
                    frozen,
                    self._frozen_seconds,
                )

    def _release_all(self, session: LeaseSession) -> None:
        for lease in self._held:
            session.release(lease)
        self._become(frozenset())

    def _become(self, held: frozenset[Lease]) -> None:
        if held == self._held:
            return
        self._held = held
        self._tell(held)

    def _close_session(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _note_reachable(self, *, is_reachable: bool, reason: str = "") -> None:
        if is_reachable is self._is_reachable:
            return
        self._is_reachable = is_reachable
        if is_reachable:
            logger.warning("the lease database is back; %d connections held", len(self._held))
        else:
            logger.warning("the lease database is unreachable (%s); %d connections held", reason, len(self._held))
