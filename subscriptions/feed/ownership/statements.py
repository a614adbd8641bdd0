"""The statements of ownership: leases, advisory locks, the gate's row; all SQL of them is here.

One `LeaseStatements` is one database connection. Its end frees every lock it holds, and that is what makes them a sign
of life: whoever holds a connection's lock has a process, or had one a moment ago.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from subscriptions.domain.outages import LEASE_SECONDS
from subscriptions.domain.ownership import FormerOwner

TTL_SECONDS: Final = LEASE_SECONDS
FORMER_OWNERS_FIRST_SECONDS: Final = 10
GATE: Final = 0
"""The number under which the gate has its lock, beside the connections'."""
COOLDOWN_GROWS_TO: Final = 5
"""Refusal after refusal the quiet doubles, up to so many times the first."""

LOCK_SPACE: Final = 0x46454544  # "FEED"; the second key is a connection's number

# After a crash of one of its processes PostgreSQL ends all sessions and goes on, and forgets its statistics.
STARTED: Final = "greatest(pg_postmaster_start_time(), (SELECT stats_reset FROM pg_stat_bgwriter))"
"""SQL: since when sessions can have lived."""
# While PostgreSQL was down nobody could renew: that silence says nothing. NULL is a lease that names nobody.
_LONG_SILENT: Final = f"""
greatest(expires_at, {STARTED} + make_interval(secs => %(ttl)s))
     < now() - make_interval(secs => %(frozen)s) AND expires_at IS NOT NULL
"""
_UNOWNED: Final = f"""
SELECT connection_id, epoch, CASE WHEN owner <> %(owner)s THEN owner ELSE '' END,
       {_LONG_SILENT},
       coalesce(expires_at - make_interval(secs => %(ttl)s) > {STARTED}, false)
  FROM feed_leases
 WHERE connection_id <> ALL(%(held)s) ORDER BY connection_id
"""  # noqa: S608  Only a constant is put in.
_LOCK: Final = "SELECT pg_try_advisory_lock(%s, %s)"
_UNLOCK: Final = "SELECT pg_advisory_unlock(%s, %s)"
_TAKE: Final = f"""
UPDATE feed_leases
   SET owner = %(owner)s, epoch = epoch + 1, expires_at = now() + make_interval(secs => %(ttl)s)
 WHERE connection_id = %(number)s AND epoch = %(epoch)s
   AND (owner IN ('', %(owner)s) OR now() - {STARTED} > make_interval(secs => %(former_first)s))
RETURNING epoch
"""  # noqa: S608  Only a constant is put in.
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


# The holder of the lock is named by what it says of itself and by the lease at once: another session is never ended.
# MATERIALIZED, lest the planner asks for the end of sessions before it has compared them.
_END_FROZEN: Final = f"""
WITH frozen AS MATERIALIZED (
    SELECT lease.owner, holder.pid
      FROM feed_leases AS lease
      JOIN pg_locks AS held ON held.locktype = 'advisory' AND held.granted AND held.objsubid = 2
       AND held.classid = %(space)s::oid AND held.objid = lease.connection_id::oid
       AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      JOIN pg_stat_activity AS holder ON holder.pid = held.pid
       AND holder.application_name = 'lease ' || right(lease.owner, 57)
     WHERE lease.connection_id = %(number)s AND lease.epoch = %(epoch)s AND lease.owner <> ''
       AND {_LONG_SILENT}
)
SELECT owner, pg_terminate_backend(pid) FROM frozen
"""  # noqa: S608  Only a constant is put in.
_READ_COOLDOWN: Final = """
SELECT extract(epoch FROM quiet_until - clock_timestamp())::float8, closes_all, reason
  FROM feed_gate WHERE quiet_until > clock_timestamp()
"""
_START_COOLDOWN: Final = """
INSERT INTO feed_gate AS gate (id, quiet_until, closes_all, reason, set_by, refusals)
VALUES (1, clock_timestamp() + make_interval(secs => %(seconds)s), %(closes_all)s, %(reason)s, %(owner)s, %(grows)s)
ON CONFLICT (id) DO UPDATE
   SET quiet_until = greatest(gate.quiet_until, clock_timestamp() + make_interval(secs =>
           %(seconds)s * CASE WHEN %(grows)s = 1 THEN least(2 ^ gate.refusals, %(most)s) ELSE 1 END)),
       closes_all = %(closes_all)s OR (gate.closes_all AND gate.quiet_until > clock_timestamp()),
       reason = %(reason)s, set_by = %(owner)s, refusals = least(gate.refusals + %(grows)s, 10)
"""
_NOTE_OPENED: Final = "UPDATE feed_gate SET refusals = 0 WHERE refusals > 0"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to a connection, under the epoch that everything published about it carries."""

    connection: int
    epoch: int
    is_inherited: bool = field(default=False, compare=False)
    """Whether another owner had it until now, who may not know yet that it has it no more."""


@dataclass(frozen=True, slots=True)
class UnownedLease:
    """The lease of a connection that whoever looks does not hold, and whom it names, if anyone else."""

    lease: Lease
    former: FormerOwner | None


@dataclass(frozen=True, slots=True)
class Cooldown:
    """What the broker asked of the whole account: open nothing for so many seconds, or have nothing open either."""

    seconds: float
    closes_all: bool
    reason: str


def connection_parameters(database: Mapping[str, Any]) -> dict[str, Any]:
    """Return psycopg's parameters for an entry of Django's DATABASES; a dead peer is noticed in seconds."""
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    given = {name: database[entry] for name, entry in named.items() if database.get(entry)}
    passed_on = {name: database["OPTIONS"][name] for name in ("sslmode", "sslrootcert") if name in database["OPTIONS"]}
    return given | passed_on | {"connect_timeout": 2, "tcp_user_timeout": 4_000, "options": "-c statement_timeout=2000"}


def application_name(owner: str) -> str:
    """Return what an owner's session calls itself, in 63 characters; the last ones of a name are nobody else's."""
    return f"lease {owner[-57:]}"


class LeaseStatements:
    """One database connection with the statements of ownership; its end frees every lock it holds."""

    def __init__(self, parameters: Mapping[str, Any], owner: str) -> None:
        self.owner = owner
        self._connection = psycopg.connect(**parameters, autocommit=True, application_name=application_name(owner))

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    def list_unowned(self, owned: frozenset[Lease], *, frozen_seconds: float) -> list[UnownedLease]:
        """Return the leases, as they stand, of connections that are not in `held`.

        Who has not renewed for `frozen_seconds` since its lease ran out counts as long silent.
        """
        values = {
            "held": [one.connection for one in owned],
            "owner": self.owner,
            "frozen": frozen_seconds,
            "ttl": TTL_SECONDS,
        }
        return [
            UnownedLease(Lease(number, epoch, bool(name)), FormerOwner(name, *known) if name else None)
            for number, epoch, name, *known in self._connection.execute(_UNOWNED, values)
        ]

    def take(self, seen: Lease) -> Lease | None:
        """Take a connection over under the next epoch; None if its lock is held or its lease has moved on."""
        if not self.lock(seen.connection):
            return None
        values = {"owner": self.owner, "ttl": TTL_SECONDS, "number": seen.connection, "epoch": seen.epoch}
        taken = self._connection.execute(_TAKE, values | {"former_first": FORMER_OWNERS_FIRST_SECONDS}).fetchone()
        if taken is None:
            self.unlock(seen.connection)
            return None
        return Lease(seen.connection, taken[0], seen.is_inherited)

    def renew(self, owned: frozenset[Lease]) -> frozenset[Lease]:
        """Extend `held` and return those that are still ours."""
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
        """Give a connection up, so that anyone may take it at once."""
        values = {"number": lease.connection, "epoch": lease.epoch, "owner": self.owner}
        self._connection.execute(_RELEASE, values)
        self.unlock(lease.connection)

    def lock(self, number: int) -> bool:
        """Try for the advisory lock of a connection, or of the gate; True if this session has it now."""
        row = self._connection.execute(_LOCK, (LOCK_SPACE, number)).fetchone()
        return row is not None and bool(row[0])

    def unlock(self, number: int) -> None:
        """Free a lock this session holds."""
        self._connection.execute(_UNLOCK, (LOCK_SPACE, number))

    def end_frozen(self, seen: Lease, *, after_seconds: float) -> str | None:
        """End the database session of an owner whose lease ran out so long ago and whose lock is still held.

        Returns the owner's name if that was done. Its lock is free a moment later; should it wake, it finds its
        session gone, looks at its lease and gives the connection up.
        """
        values = {
            "space": LOCK_SPACE,
            "number": seen.connection,
            "epoch": seen.epoch,
            "frozen": after_seconds,
            "ttl": TTL_SECONDS,
        }
        ended = self._connection.execute(_END_FROZEN, values).fetchone()
        return None if ended is None else str(ended[0])

    def read_cooldown(self) -> Cooldown | None:
        """Return what is left of the account's quiet, if there is any."""
        row = self._connection.execute(_READ_COOLDOWN).fetchone()
        return None if row is None else Cooldown(*row)

    def start_cooldown(self, cooldown: Cooldown, *, grows: bool) -> None:
        """Ask every worker for quiet; with `grows`, for longer each time in a row."""
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
        """Take note that the broker let someone in: the next refusal is a first one."""
        self._connection.execute(_NOTE_OPENED)
