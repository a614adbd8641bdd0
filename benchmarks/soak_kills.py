"""Recovery times after kills, over many rounds: one owner, all owners, Redis, PostgreSQL.

    make soak ARGS="kills --runs 20"

One owner: five owners stream 5,000 instruments each, and a sixth worker is on standby; from the kill of one owner until
every instrument has ticked again. All owners: five are killed and restarted at once, as by a supervisor; includes the
start of the processes. Redis: killed, and restarted empty after the browser has received the notice; until the browser
has received every price again. PostgreSQL: stopped and restarted; the longest time without a tick in a browser.
"""

# ruff: noqa: I001  Importing the rounds sets Django up.

import argparse
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.soak_rounds import measure, own_servers

from subscriptions.models import FeedLease
from tests.waiting import wait_until
from tests.faults.failovers import owner_name
from tests.faults.markets import running_market
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    Worker,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import SimulatorAddress, running_simulator

OWNERS = 5  # one for each connection
MAX_SECONDS = 120.0  # chosen: far above every budget; a slower recovery is an error
AWAY_SECONDS = 1.0  # chosen: a restart of PostgreSQL takes about this long


class WorkerPool:
    """Workers of one connection each: five owners, and perhaps one on standby."""

    def __init__(self, simulator: SimulatorAddress, directory: Path, count: int, stack: ExitStack) -> None:
        self._simulator, self._directory, self._count, self._stack = simulator, directory, count, stack
        self._started = 0
        self.workers: list[Worker] = []

    def start(self, many: int) -> None:
        """Start `many` workers at the same time, without waiting for them."""
        for _ in range(many):
            self._started += 1
            worker = running_worker(
                self._directory, name=f"pool{self._started}", simulator=self._simulator, FEED_CONNECTIONS="1"
            )
            self.workers.append(self._stack.enter_context(worker))

    def settle(self) -> None:
        """Wait until everything streams and every worker is ready."""
        wait_until_streaming(self._count, seconds=MAX_SECONDS)
        wait_until(
            lambda: all(b" ready." in worker.log.read_bytes() for worker in self.workers),
            seconds=START_SECONDS,
            message="all workers are ready",
        )

    def kill_one(self) -> float:
        """Kill an owner; return the seconds until everything streamed again."""
        victim = next(worker for worker in self.workers if owner_name(worker))
        name, began_at = owner_name(victim), time.monotonic()
        victim.kill()
        wait_until_streaming(self._count, seconds=MAX_SECONDS, but_not=[name])
        took = time.monotonic() - began_at
        self.workers.remove(victim)
        self.start(1)
        self.settle()
        return took

    def kill_all(self) -> float:
        """Kill every worker and start as many; return the seconds until everything streamed again."""
        names = list(FeedLease.objects.values_list("owner", flat=True))
        began_at = time.monotonic()
        for worker in self.workers:
            worker.process.kill()
        many = len(self.workers)
        self.workers.clear()
        self.start(many)
        wait_until_streaming(self._count, seconds=MAX_SECONDS, but_not=names)
        took = time.monotonic() - began_at
        self.settle()
        return took


def soak_owners(runs: int, count: int, which: Sequence[str]) -> None:
    with own_servers() as (_, logs), running_simulator(rate=20_000, small=False, faults={}) as simulator:
        make_subscriptions(simulator, count=count)
        with ExitStack() as stack:
            pool = WorkerPool(simulator, logs, count, stack)
            pool.start(OWNERS)
            pool.settle()
            if "all" in which:
                measure(f"all five killed, {count:,} streaming again", runs, pool.kill_all, budget=15)
            if "owner" in which:
                pool.start(1)
                pool.settle()
                measure(f"owner of {count // OWNERS:,} killed, all ticking again", runs, pool.kill_one, budget=5)
        high_water = simulator.connections()["high_water"]
        print(f"most sockets at a time, by the broker's count: {high_water}", flush=True)


def soak_servers(runs: int, which: Sequence[str]) -> None:
    with own_servers() as (servers, logs), running_market(logs) as market:

        def kill_redis() -> float:
            began_at = time.monotonic()
            servers.kill_redis()
            # Without this wait a frame in flight would count as a new price.
            wait_until(lambda: market.browser.feed.get("state") != "live", seconds=MAX_SECONDS, message="it is told")
            servers.start_redis()
            back_at = time.monotonic()
            wait_until(
                lambda: market.browser.list_updated_since(back_at) == set(market.watched),
                seconds=MAX_SECONDS,
                message="every price anew",
            )
            took = time.monotonic() - began_at
            wait_until(lambda: market.browser.feed.get("state") == "live", seconds=MAX_SECONDS, message="all is live")
            return took

        def restart_postgres() -> float:
            began_at = time.monotonic()
            servers.stop_postgres(signal.SIGINT)
            threading.Event().wait(AWAY_SECONDS)
            servers.start_postgres()
            threading.Event().wait(AWAY_SECONDS)
            return market.browser.longest_gap(began_at)

        if "redis" in which:
            measure("Redis killed, a browser fed again", runs, kill_redis, budget=5)
        if "postgres" in which:
            measure("PostgreSQL restarted, longest gap in ticks", runs, restart_postgres, budget=1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the selected soak tests."""
    parser = argparse.ArgumentParser(prog="soak_kills", description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--count", type=int, default=25_000, help="instruments, spread over five connections")
    parser.add_argument("--only", nargs="+", choices=("owner", "all", "redis", "postgres"))
    given = parser.parse_args(arguments)
    which = given.only or ["owner", "all", "redis", "postgres"]
    if {"owner", "all"} & set(which):
        soak_owners(given.runs, given.count, which)
    if {"redis", "postgres"} & set(which):
        soak_servers(given.runs, which)


if __name__ == "__main__":
    main()
