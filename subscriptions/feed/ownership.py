"""Which connections this worker owns: leases with an epoch, advisory locks, and the gate before an opening.

Theory of operation. Ownership has two signs of life. The *lease*, a row of `feed_leases`, is renewed every
second and says that the owner's loop runs. A *session advisory lock* on the same database connection says that
its process lives: it is free milliseconds after a kill -9 and stays held through a freeze. A lock that is free
is taken at once, and taking raises the epoch in one compare-and-set; one that is held is left alone, so what a
frozen process owns is streamed by nobody until it thaws or ends.

A lease is lost when another owner has raised its epoch, and only then. While PostgreSQL cannot be reached
nobody can take anything over, so owners keep what they hold; when it is back they renew under the epoch they
have, and get their locks again as soon as the server has noticed that the former session is gone. For the
first seconds of a PostgreSQL server only former owners may take, because the others may still be streaming.

All SQL of leases is here. `LeaseKeeper.run` belongs in a thread of its own: a busy event loop must not cost
the lease, and a slow database must not stop the loop.
"""

import logging
import queue
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import psycopg

from subscriptions.domain.losses import LEASE_SECONDS

logger = logging.getLogger(__name__)

TTL_SECONDS: Final = LEASE_SECONDS
BEAT_SECONDS: Final = 1.0
FORMER_OWNERS_FIRST_SECONDS: Final = 10

Answer = TypeVar("Answer")

_LOCK_SPACE: Final = 0x46454544  # "FEED"; the second key is a connection's number
_GATE: Final = 0
_RETRY_SECONDS: Final = 0.05

_FREE: Final = (
    "SELECT connection_id, epoch FROM feed_leases WHERE connection_id <> ALL(%(held)s) ORDER BY connection_id"
)
_LOCK: Final = "SELECT pg_try_advisory_lock(%s, %s)"
_UNLOCK: Final = "SELECT pg_advisory_unlock(%s, %s)"
_TAKE: Final = """
UPDATE feed_leases
   SET owner = %(owner)s, epoch = epoch + 1, expires_at = now() + make_interval(secs => %(ttl)s)
 WHERE connection_id = %(number)s AND epoch = %(epoch)s
   AND (owner IN ('', %(owner)s) OR now() - pg_postmaster_start_time() > make_interval(secs => %(former_first)s))
RETURNING epoch
"""
_RENEW: Final = """
UPDATE feed_leases
   SET expires_at = now() + make_interval(secs => %(ttl)s)
  FROM unnest(%(numbers)s::int[], %(epochs)s::bigint[]) AS held (number, epoch)
 WHERE feed_leases.connection_id = held.number AND feed_leases.epoch = held.epoch AND owner = %(owner)s
RETURNING connection_id
"""
_RELEASE: Final = """
UPDATE feed_leases SET owner = '', expires_at = NULL
 WHERE connection_id = %(number)s AND epoch = %(epoch)s AND owner = %(owner)s
"""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to a connection, under the epoch that everything published about it carries."""

    connection: int
    epoch: int


def connection_parameters(database: Mapping[str, Any]) -> dict[str, Any]:
    """Return psycopg's parameters for an entry of Django's DATABASES; a dead peer is noticed in seconds."""
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    given = {name: database[entry] for name, entry in named.items() if database.get(entry)}
    passed_on = {name: database["OPTIONS"][name] for name in ("sslmode", "sslrootcert") if name in database["OPTIONS"]}
    return given | passed_on | {"connect_timeout": 2, "tcp_user_timeout": 4_000, "options": "-c statement_timeout=2000"}


class LeaseSession:
    """One database connection with the statements of ownership; its end frees every lock it holds."""

    def __init__(self, parameters: Mapping[str, Any], owner: str) -> None:
        self._owner = owner
        self._connection = psycopg.connect(**parameters, autocommit=True, application_name=f"lease {owner}"[:63])

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    def list_free(self, held: frozenset[Lease]) -> list[Lease]:
        """Return the leases, as they stand, of connections that are not in `held`."""
        rows = self._connection.execute(_FREE, {"held": [one.connection for one in held]})
        return [Lease(number, epoch) for number, epoch in rows]

    def take(self, seen: Lease) -> Lease | None:
        """Take a connection over under the next epoch; None if its lock is held or its lease has moved on."""
        if not self.lock(seen.connection):
            return None
        values = {"owner": self._owner, "ttl": TTL_SECONDS, "number": seen.connection, "epoch": seen.epoch}
        taken = self._connection.execute(_TAKE, values | {"former_first": FORMER_OWNERS_FIRST_SECONDS}).fetchone()
        if taken is None:
            self.unlock(seen.connection)
            return None
        return Lease(seen.connection, taken[0])

    def renew(self, held: frozenset[Lease]) -> frozenset[Lease]:
        """Extend `held` and return those that are still ours."""
        leases = sorted(held, key=lambda lease: lease.connection)
        rows = self._connection.execute(
            _RENEW,
            {
                "ttl": TTL_SECONDS,
                "numbers": [lease.connection for lease in leases],
                "epochs": [lease.epoch for lease in leases],
                "owner": self._owner,
            },
        )
        ours = {number for (number,) in rows}
        return frozenset(lease for lease in held if lease.connection in ours)

    def release(self, lease: Lease) -> None:
        """Give a connection up, so that anyone may take it at once."""
        values = {"number": lease.connection, "epoch": lease.epoch, "owner": self._owner}
        self._connection.execute(_RELEASE, values)
        self.unlock(lease.connection)

    def lock(self, number: int) -> bool:
        """Try for the advisory lock of a connection, or of the gate; True if this session has it now."""
        row = self._connection.execute(_LOCK, (_LOCK_SPACE, number)).fetchone()
        return row is not None and bool(row[0])

    def unlock(self, number: int) -> None:
        """Free a lock this session holds."""
        self._connection.execute(_UNLOCK, (_LOCK_SPACE, number))


class LeaseKeeper:
    """Takes free connections up to a limit, renews what it holds, and tells of every change.

    `run` blocks until `stop`; the other methods may be called from any thread. `tell` is called from the
    thread of `run` with everything that is held.
    """

    def __init__(
        self, parameters: Mapping[str, Any], *, owner: str, limit: int, tell: Callable[[frozenset[Lease]], None]
    ) -> None:
        self._parameters = parameters
        self._owner = owner
        self._limit = limit
        self._tell = tell
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

    def try_gate(self) -> "Future[bool]":
        """Ask for the account-wide right to open a socket; the answer comes at once.

        Yes while PostgreSQL cannot be reached: nobody new can own a connection then, and a worker opens one
        at a time of its own accord.
        """
        answer: Future[bool] = Future()

        def ask() -> None:
            granted = self._with_session(lambda session: session.lock(_GATE))
            if answer.set_running_or_notify_cancel():
                answer.set_result(granted is not False)
            elif granted:
                self._with_session(lambda session: session.unlock(_GATE))

        self._inbox.put(ask)
        return answer

    def free_gate(self) -> None:
        """Let another worker open a socket."""
        self._inbox.put(lambda: self._with_session(lambda session: session.unlock(_GATE)))

    def _pause_after(self, *, is_renewed: bool) -> float:
        """Return the time to the next beat. A lost session is replaced at once: its locks are free meanwhile."""
        self._failures = 0 if is_renewed else self._failures + 1
        return BEAT_SECONDS if is_renewed else min(BEAT_SECONDS, _RETRY_SECONDS * 2.0**self._failures)

    def _with_session(self, act: Callable[[LeaseSession], Answer]) -> Answer | None:
        """Return what `act` gives; None, and no session, if PostgreSQL cannot be reached."""
        try:
            if self._session is None:
                self._session = LeaseSession(self._parameters, self._owner)
                self._unlocked = frozenset(lease.connection for lease in self._held)
            answer = act(self._session)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self._close_session()
            self._note_reachable(is_reachable=False, reason=type(error).__name__)
            return None
        self._note_reachable(is_reachable=True)
        return answer

    def _beat(self, session: LeaseSession) -> bool:
        ours = session.renew(self._held) if self._held else frozenset()
        for lease in self._held - ours:
            session.unlock(lease.connection)
        held_numbers = frozenset(lease.connection for lease in ours)
        self._unlocked = frozenset(one for one in self._unlocked & held_numbers if not session.lock(one))
        self._become(ours)
        if len(self._held) < self._limit:
            self._take_free(session)
        return True

    def _take_free(self, session: LeaseSession) -> None:
        for seen in session.list_free(self._held):
            if len(self._held) == self._limit:
                return
            taken = session.take(seen)
            if taken is not None:
                self._become(self._held | {taken})

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
