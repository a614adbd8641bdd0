"""Real failovers in a row: two processes, the owner of all five connections and a spare, alternate as owner.

The suite runs five of them, `make soak` runs hundreds. Times are scaled: the broker drops a
silent client after 4 seconds in place of 40, and an owner is replaced `FROZEN_OWNER_S` after its lease ran out.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from django.db import connection

from subscriptions.feed.ownership.statements import LOCK_SPACE, application_name
from subscriptions.models import FeedLease
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    Worker,
    count_broker_sockets,
    list_subscribed_keys,
    list_wanted_keys,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import SimulatorAddress
from tests.waiting import wait_until

MOST_SOCKETS = 5
SCALED = {"FROZEN_OWNER_S": "5", "FAILOVER_GRACE_S": "60"}
PONG_WITHIN = 4.0
SETTLE_SECONDS = 40.0


class Kind(StrEnum):
    """The way in which an owner loses its connections."""

    KILL = "kill -9"
    FREEZE = "SIGSTOP until replaced, then SIGCONT"
    FREEZE_AND_CUT = "the same, and its database session is ended"
    NAP = "SIGSTOP for two seconds"
    CUT = "its database session is ended"
    STOP = "warm shutdown"


@dataclass
class Relay:
    """Two workers; `owner` owned all connections at the last check."""

    simulator: SimulatorAddress
    count: int
    directory: Path
    stack: ExitStack
    workers: list[Worker] = field(default_factory=list)
    started: int = 0

    def start_worker(self) -> Worker:
        """Start a spare worker and wait until it can take over."""
        self.started += 1
        worker = self.stack.enter_context(
            running_worker(self.directory, name=f"relay{self.started}", simulator=self.simulator, **SCALED)
        )
        self.workers.append(worker)
        wait_until(lambda: is_ready(worker), seconds=START_SECONDS, message="a worker is ready")
        return worker

    def fail_over(self, kind: Kind) -> float:
        """Take the connections from their owner; return the seconds until everything streams again."""
        owner = self._owner()
        name, lost_before = owner_name(owner), _count_lost(owner)
        replaces = kind in {Kind.KILL, Kind.STOP}
        match kind:
            case Kind.KILL:
                owner.kill()
            case Kind.STOP:
                assert owner.stop() == 0
            case Kind.CUT:
                end_session_of(name)
            case Kind.FREEZE | Kind.FREEZE_AND_CUT | Kind.NAP:
                os.kill(owner.process.pid, signal.SIGSTOP)
        if kind is Kind.FREEZE_AND_CUT:
            end_session_of(name)
        if kind is Kind.NAP:
            wait_until(lambda: is_overdue(name), seconds=10, message="the lease has expired")
            os.kill(owner.process.pid, signal.SIGCONT)
        away = [] if kind in {Kind.NAP, Kind.CUT} else [name]
        took = wait_until_streaming(self.count, seconds=SETTLE_SECONDS, but_not=away)
        if kind in {Kind.FREEZE, Kind.FREEZE_AND_CUT}:
            os.kill(owner.process.pid, signal.SIGCONT)
            wait_until(
                lambda: _count_lost(owner) > lost_before,
                seconds=START_SECONDS,
                message="the former owner has lost its sockets",
            )
        if replaces:
            self.workers.remove(owner)
            self.start_worker()
        self.check()
        return took

    def check(self) -> None:
        """Assert that everything streams from five sockets, and that the broker never counted a sixth."""
        wait_until_streaming(self.count, seconds=SETTLE_SECONDS)
        wait_until(
            lambda: list_subscribed_keys(self.simulator) == list_wanted_keys(),
            seconds=10,
            message="the broker's subscriptions equal the wanted set",
        )
        wait_until(lambda: _count_locked() == MOST_SOCKETS, seconds=10, message="the owner has all advisory locks")
        assert count_broker_sockets(self.simulator) == MOST_SOCKETS
        assert self.simulator.connections()["high_water"] <= MOST_SOCKETS

    def _owner(self) -> Worker:
        """Return the worker that owns most connections."""
        owners = list(FeedLease.objects.values_list("owner", flat=True))
        return max(self.workers, key=lambda one: owners.count(owner_name(one)))


@contextmanager
def running_relay(directory: Path, *, simulator: SimulatorAddress, count: int) -> Iterator[Relay]:
    """Yield an owner that streams `count` instruments from five sockets, and a spare."""
    with ExitStack() as stack:
        relay = Relay(simulator, count, directory, stack)
        relay.start_worker()
        wait_until_streaming(count)
        relay.start_worker()
        yield relay


def is_ready(worker: Worker) -> bool:
    """Return whether a worker consumes tasks; fail with the end of its log if it has exited."""
    log = worker.log.read_bytes()
    assert worker.process.poll() is None, log[-2_000:].decode(errors="replace")
    return b" ready." in log


def owner_name(worker: Worker) -> str:
    """Return the owner name in a worker's leases; empty if it owns nothing."""
    pid = f":{worker.process.pid}:"
    return next((name for name in FeedLease.objects.values_list("owner", flat=True) if pid in name), "")


def end_session_of(name: str) -> None:
    """End the database session of an owner's lease keeper; wait for the session if it was just lost."""
    wait_until(lambda: _count_ended(name) == 1, seconds=10, message="the keeper's database session is ended")


def _count_lost(worker: Worker) -> int:
    return worker.log.read_bytes().count(b"lease lost")


def _count_ended(name: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = %s",
            [application_name(name)],
        )
        return int(cursor.fetchone()[0])


def is_overdue(name: str) -> bool:
    """Return whether an owner's leases have expired or belong to another owner."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(expires_at) < now(), true) FROM feed_leases WHERE owner = %s", [name])
        return bool(cursor.fetchone()[0])


def _count_locked() -> int:
    """Count the connections whose lock is owned: just after a lost session an owner has leases but no locks yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid = %s::bigint::oid AND objid::bigint BETWEEN 1 AND %s",
            [LOCK_SPACE, MOST_SOCKETS],
        )
        return int(cursor.fetchone()[0])
