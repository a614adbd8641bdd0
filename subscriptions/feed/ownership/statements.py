"""The SQL of ownership: leases, advisory locks, and the row of the account: cooldown, held slots, replacement.

One `LeaseStatements` is one database connection. Its end frees every lock it owns, which makes a lock a sign of life of
its process. Statements run in autocommit: each is one atomic compare-and-set.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from subscriptions.domain.outages import LEASE_SECONDS
from subscriptions.domain.ownership import LeaseState

TTL_SECONDS: Final = LEASE_SECONDS
# Chosen: a former owner that runs reconnects within a second or two of PostgreSQL's return.
FORMER_OWNERS_FIRST_SECONDS: Final = 10
# Lock number of the gate; connections have 1 to 5.
GATE: Final = 0
# docs/dhan.md: a refusal with 429 clears after a minute to five, so a cooldown of 60 s grows to five times that.
COOLDOWN_GROWS_TO: Final = 5

# Chosen: "FEED" in ASCII. The first key of our advisory locks; the second is the number of a connection.
LOCK_SPACE: Final = 0x46454544

# When one of its processes crashes, PostgreSQL ends all sessions and restarts inside the same postmaster. The start
# time of the postmaster stays then, but the statistics are reset, so the later of the two counts.
# SQL: the time since which every present session was opened.
STARTED: Final = "greatest(pg_postmaster_start_time(), (SELECT stats_reset FROM pg_stat_bgwriter))"
# A lease is long silent if it expired over `frozen` seconds ago. No lease could be renewed while PostgreSQL was down,
# so the earliest expiry that counts is one lease time after its start. Without an owner `expires_at` is NULL.
_LONG_SILENT: Final = f"""
greatest(expires_at, {STARTED} + make_interval(secs => %(ttl)s))
     < now() - make_interval(secs => %(frozen)s) AND expires_at IS NOT NULL
"""
_UNOWNED: Final = f"""
SELECT connection_id, epoch, CASE WHEN owner <> %(owner)s THEN owner ELSE '' END,
       {_LONG_SILENT},
       coalesce(expires_at - make_interval(secs => %(ttl)s) > {STARTED}, false)
  FROM feed_leases
 WHERE connection_id <> ALL(%(owned)s) ORDER BY connection_id
"""  # noqa: S608  Only a constant is put in.
# Never waits: a worker that blocks here could not renew its other leases.
_LOCK: Final = "SELECT pg_try_advisory_lock(%s, %s)"
_UNLOCK: Final = "SELECT pg_advisory_unlock(%s, %s)"
# Compare-and-set on the epoch: of two workers that read the same lease one takes it. While PostgreSQL is young only the
# former owner may, since owners may still stream under leases that they could not renew. An owner whose process is gone
# streams nothing, so after a power cut its successor need not wait.
_TAKE: Final = f"""
UPDATE feed_leases
   SET owner = %(owner)s, epoch = epoch + 1, expires_at = now() + make_interval(secs => %(ttl)s)
 WHERE connection_id = %(number)s AND epoch = %(epoch)s
   AND (owner IN ('', %(owner)s) OR %(is_gone)s OR now() - {STARTED} > make_interval(secs => %(former_first)s))
RETURNING epoch
"""  # noqa: S608  Only a constant is put in.
# One statement for all leases. Rows with another owner or epoch stay as they are and are missing from the answer.
_RENEW: Final = """
UPDATE feed_leases
   SET expires_at = now() + make_interval(secs => %(ttl)s)
  FROM unnest(%(numbers)s::int[], %(epochs)s::bigint[]) AS owned (number, epoch)
 WHERE feed_leases.connection_id = owned.number AND feed_leases.epoch = owned.epoch AND owner = %(owner)s
RETURNING connection_id
"""
# The epoch stays, so that the next owner gets a higher one.
_RELEASE: Final = """
UPDATE feed_leases SET owner = '', expires_at = NULL
 WHERE connection_id = %(number)s AND epoch = %(epoch)s AND owner = %(owner)s
"""


# Ends at most one session, identified three times: it owns the lock of this connection in this database, its
# application name is the one of the lease's owner, and the lease under this epoch is long silent. MATERIALIZED: without
# it the planner may call pg_terminate_backend before it has checked the conditions.
_END_FROZEN: Final = f"""
WITH frozen AS MATERIALIZED (
    SELECT lease.owner, session.pid
      FROM feed_leases AS lease
      JOIN pg_locks AS lock ON lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 2
       AND lock.classid = %(space)s::oid AND lock.objid = lease.connection_id::oid
       AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      JOIN pg_stat_activity AS session ON session.pid = lock.pid
       AND session.application_name = 'lease ' || right(lease.owner, 57)
     WHERE lease.connection_id = %(number)s AND lease.epoch = %(epoch)s AND lease.owner <> ''
       AND {_LONG_SILENT}
)
SELECT owner, pg_terminate_backend(pid) FROM frozen
"""  # noqa: S608  Only a constant is put in.
# clock_timestamp() and not now(): the time of the statement itself.
_READ_COOLDOWN: Final = """
SELECT extract(epoch FROM cooldown_until - clock_timestamp())::float8, closes_all, reason
  FROM feed_gate WHERE cooldown_until > clock_timestamp()
"""
# The longer cooldown of the old and the new one counts, and a running one that closes all sockets stays one. A refusal
# (`grows`) doubles the time with each refusal in a row, up to `most` times the first.
_START_COOLDOWN: Final = """
INSERT INTO feed_gate AS gate (id, cooldown_until, closes_all, reason, set_by, refusals)
VALUES (1, clock_timestamp() + make_interval(secs => %(seconds)s), %(closes_all)s, %(reason)s, %(owner)s, %(grows)s)
ON CONFLICT (id) DO UPDATE
   SET cooldown_until = greatest(gate.cooldown_until, clock_timestamp() + make_interval(secs =>
           %(seconds)s * CASE WHEN %(grows)s = 1 THEN least(2 ^ gate.refusals, %(most)s) ELSE 1 END)),
       closes_all = %(closes_all)s OR (gate.closes_all AND gate.cooldown_until > clock_timestamp()),
       reason = %(reason)s, set_by = %(owner)s, refusals = least(gate.refusals + %(grows)s, 10)
"""
_NOTE_OPENED: Final = "UPDATE feed_gate SET refusals = 0 WHERE refusals > 0"
# SQL: whether another connection is live, so that there is something to lose, and a place to move instruments to.
_OTHER_IS_LIVE: Final = """
EXISTS (SELECT FROM feed_connections AS other JOIN feed_leases AS lease ON lease.connection_id = other.number
         WHERE other.number <> %(number)s AND other.state = 'live' AND lease.expires_at > clock_timestamp())
"""
_IS_SLOT_HELD: Final = f"""
SELECT EXISTS (SELECT FROM feed_gate WHERE slots_held_until > clock_timestamp()) AND {_OTHER_IS_LIVE}
"""  # noqa: S608  Only a constant is put in.
_RISK_SLOT: Final = f"""
INSERT INTO feed_gate AS gate (id, closes_all, reason, set_by, refusals, risked_at, risks)
SELECT 1, false, '', '', 0, clock_timestamp(), 1 WHERE {_OTHER_IS_LIVE}
ON CONFLICT (id) DO UPDATE
   SET risks = CASE WHEN gate.risked_at > clock_timestamp() - make_interval(secs => %(window)s)
           THEN gate.risks + 1 ELSE 1 END,
       risked_at = clock_timestamp()
"""  # noqa: S608  Only a constant is put in.
# Each risk explains one 805. The day ends at midnight in India, when no market is open.
_EXPLAIN_REFUSAL: Final = """
UPDATE feed_gate
   SET risks = risks - 1, slots_held_until =
           (date_trunc('day', clock_timestamp() AT TIME ZONE 'Asia/Kolkata') + interval '1 day')
           AT TIME ZONE 'Asia/Kolkata'
 WHERE risks > 0 AND risked_at > clock_timestamp() - make_interval(secs => %(window)s)
RETURNING id
"""
# Compare-and-set: of two workers with bad sockets one may replace its own.
_CLAIM_REPLACEMENT: Final = """
INSERT INTO feed_gate AS gate (id, closes_all, reason, set_by, refusals, replaced_connection, replaced_until)
VALUES (1, false, '', '', 0, %(number)s, clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (id) DO UPDATE
   SET replaced_connection = EXCLUDED.replaced_connection, replaced_until = EXCLUDED.replaced_until
 WHERE gate.replaced_until IS NULL OR gate.replaced_until <= clock_timestamp()
RETURNING id
"""
_END_REPLACEMENT: Final = "UPDATE feed_gate SET replaced_until = NULL WHERE replaced_connection = %(number)s"


# The epoch orders all owners of a connection, so two of them never publish under the same one.
@dataclass(frozen=True, slots=True)
class Lease:
    """The right to a connection. The epoch is its fencing token: everything published carries it."""

    connection: int
    epoch: int
    is_inherited: bool = field(default=False, compare=False)
    """Whether another owner had it before, which may not know yet that it lost the lease."""


@dataclass(frozen=True, slots=True)
class UnownedLease:
    """The lease of a connection that this worker does not own; `owner` is the other owner it names, or empty."""

    lease: Lease
    owner: str
    state: LeaseState


@dataclass(frozen=True, slots=True)
class Cooldown:
    """The broker's limit on the whole account: open no socket for so many seconds; with `closes_all` close all too."""

    seconds: float
    closes_all: bool
    reason: str


def connection_parameters(database: Mapping[str, Any]) -> dict[str, Any]:
    """Return psycopg's parameters for an entry of Django's DATABASES, with timeouts of a few seconds."""
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    given = {name: database[entry] for name, entry in named.items() if database.get(entry)}
    passed_on = {name: database["OPTIONS"][name] for name in ("sslmode", "sslrootcert") if name in database["OPTIONS"]}
    # Every attempt ends within `keeper.LONGEST_ATTEMPT_SECONDS`: a thread that hangs cannot renew its leases.
    return given | passed_on | {"connect_timeout": 2, "tcp_user_timeout": 4_000, "options": "-c statement_timeout=2000"}


def application_name(owner: str) -> str:
    """Return the application name of an owner's session; the end of an owner's name is its random part."""
    # PostgreSQL truncates application names to 63 characters: 6 for the prefix, 57 for the owner.
    return f"lease {owner[-57:]}"


class LeaseStatements:
    """One database connection with the statements of ownership; its end frees every lock it owns."""

    def __init__(self, parameters: Mapping[str, Any], owner: str) -> None:
        self.owner = owner
        self._connection = psycopg.connect(**parameters, autocommit=True, application_name=application_name(owner))

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    def list_unowned(self, owned: frozenset[Lease], *, frozen_seconds: float) -> list[UnownedLease]:
        """Return the leases that are not in `owned`; an owner counts as silent `frozen_seconds` after its expiry."""
        values = {
            "owned": [one.connection for one in owned],
            "owner": self.owner,
            "frozen": frozen_seconds,
            "ttl": TTL_SECONDS,
        }
        return [
            UnownedLease(Lease(number, epoch, bool(name)), name, lease_state(name, is_silent, is_proven))
            for number, epoch, name, is_silent, is_proven in self._connection.execute(_UNOWNED, values)
        ]

    def take(self, seen: Lease, *, is_owner_gone: bool = False) -> Lease | None:
        """Take a connection over under the next epoch; None if its lock is taken or its lease has changed.

        `is_owner_gone`: the process that the lease names has ended.
        """
        # The lock first: it is the proof that no other session has the connection now.
        if not self.lock(seen.connection):
            return None
        values = {"owner": self.owner, "ttl": TTL_SECONDS, "number": seen.connection, "epoch": seen.epoch}
        values |= {"former_first": FORMER_OWNERS_FIRST_SECONDS, "is_gone": is_owner_gone}
        taken = self._connection.execute(_TAKE, values).fetchone()
        if taken is None:
            # The lease changed since it was read, or PostgreSQL is too young: the lock must not block its owner.
            self.unlock(seen.connection)
            return None
        return Lease(seen.connection, taken[0], seen.is_inherited)

    def renew(self, owned: frozenset[Lease]) -> frozenset[Lease]:
        """Renew the leases in `owned`; return those that this owner still has."""
        leases = sorted(owned, key=lambda lease: lease.connection)
        rows = self._connection.execute(
            _RENEW,
            {
                "ttl": TTL_SECONDS,
                "numbers": [lease.connection for lease in leases],
                "epochs": [lease.epoch for lease in leases],
                "owner": self.owner,
            },
        )
        ours = {number for (number,) in rows}
        return frozenset(lease for lease in owned if lease.connection in ours)

    def release(self, lease: Lease) -> None:
        """Release a connection, so that any worker may take it over at once."""
        values = {"number": lease.connection, "epoch": lease.epoch, "owner": self.owner}
        # The lease first: with the lock free and the lease still in force a successor would count as inherited.
        self._connection.execute(_RELEASE, values)
        self.unlock(lease.connection)

    def lock(self, number: int) -> bool:
        """Try to acquire the advisory lock of a connection or of the gate; return whether this session owns it now."""
        row = self._connection.execute(_LOCK, (LOCK_SPACE, number)).fetchone()
        return row is not None and bool(row[0])

    def unlock(self, number: int) -> None:
        """Free a lock that this session owns."""
        self._connection.execute(_UNLOCK, (LOCK_SPACE, number))

    def end_frozen(self, seen: Lease, *, after_seconds: float) -> str | None:
        """End the database session of a silent owner that still owns the lock; return its name if that was done.

        The lock is free milliseconds later. If the owner thaws it finds its session closed, reads its lease and
        releases the connection.
        """
        values = {
            "space": LOCK_SPACE,
            "number": seen.connection,
            "epoch": seen.epoch,
            "frozen": after_seconds,
            "ttl": TTL_SECONDS,
        }
        # No row: another session owns the lock, or the lease was renewed or taken since it was read.
        ended = self._connection.execute(_END_FROZEN, values).fetchone()
        return None if ended is None else str(ended[0])

    def read_cooldown(self) -> Cooldown | None:
        """Return the rest of the account's cooldown; None if none runs."""
        row = self._connection.execute(_READ_COOLDOWN).fetchone()
        return None if row is None else Cooldown(*row)

    def start_cooldown(self, cooldown: Cooldown, *, grows: bool) -> None:
        """Start a cooldown for every worker; with `grows` it doubles with each refusal in a row."""
        values = {
            "seconds": cooldown.seconds,
            "closes_all": cooldown.closes_all,
            "reason": cooldown.reason[:256],
            "owner": self.owner,
            "grows": int(grows),
            "most": COOLDOWN_GROWS_TO,
        }
        self._connection.execute(_START_COOLDOWN, values)

    def note_opened(self) -> None:
        """Record that the broker accepted a socket: the next refusal is the first in a row."""
        self._connection.execute(_NOTE_OPENED)

    def is_slot_held(self, number: int) -> bool:
        """Return whether a lost connection must wait: the broker held a slot today, and another connection is live."""
        row = self._connection.execute(_IS_SLOT_HELD, {"number": number}).fetchone()
        return row is not None and bool(row[0])

    def risk_slot(self, number: int, *, window_seconds: float) -> bool:
        """Record an opening while the broker may count a lost socket; False, and nothing recorded, if it must wait.

        An opening while no other connection is live is none: there is nothing to lose.
        """
        if self.is_slot_held(number):
            return False
        self._connection.execute(_RISK_SLOT, {"number": number, "window": window_seconds})
        return True

    def explain_refusal(self, *, window_seconds: float) -> bool:
        """Return whether a recorded risk of the last `window_seconds` explains an 805; if so slots count as held."""
        return self._connection.execute(_EXPLAIN_REFUSAL, {"window": window_seconds}).fetchone() is not None

    def claim_replacement(self, number: int, *, seconds: float) -> bool:
        """Claim the account's only replacement for bad data for so long; return whether no other is under way."""
        values = {"number": number, "seconds": seconds}
        return self._connection.execute(_CLAIM_REPLACEMENT, values).fetchone() is not None

    def end_replacement(self, number: int) -> None:
        """Allow the next replacement: the one of this connection helped."""
        self._connection.execute(_END_REPLACEMENT, {"number": number})


def lease_state(owner: str, is_silent: bool | None, is_proven: bool) -> LeaseState:  # noqa: FBT001  Columns of a row.
    """Return the state of a lease that this worker does not own."""
    if not owner:
        return LeaseState.VACANT
    if is_silent:
        return LeaseState.SILENT
    return LeaseState.CURRENT if is_proven else LeaseState.UNPROVEN
