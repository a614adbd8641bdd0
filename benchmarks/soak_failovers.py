"""Hundreds of real failovers of every kind; the simulator counts at most five open sockets.

make soak ARGS="failovers --runs 200"
"""

# ruff: noqa: I001  Importing the rounds sets Django up.

import argparse
import random
from collections.abc import Sequence

from benchmarks.soak_rounds import own_servers, summary

from tests.faults.failovers import MOST_SOCKETS, PONG_WITHIN, Kind, running_relay
from tests.integration.subscriptions.feed.feed_workers import make_subscriptions
from tests.simulators import running_simulator

COUNT = 500  # chosen: few instruments, so that a failover takes seconds and hundreds fit into an hour
MAX_SECONDS = 60.0  # chosen: includes the 45 s after which a frozen owner is replaced


def main(arguments: Sequence[str] | None = None) -> None:
    """Run failovers in random order; fails at the first sixth socket."""
    parser = argparse.ArgumentParser(prog="soak_failovers", description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    chance = random.Random(given.seed)
    took: dict[Kind, list[float]] = {kind: [] for kind in Kind}
    with own_servers() as (_, logs), running_simulator(ping_every=0.5, pong_within=PONG_WITHIN, faults={}) as simulator:
        make_subscriptions(simulator, count=COUNT)
        with running_relay(logs, simulator=simulator, count=COUNT) as relay:
            for number in range(1, given.runs + 1):
                kind = chance.choice(list(Kind))
                took[kind].append(relay.fail_over(kind))
                high_water = simulator.connections()["high_water"]
                print(
                    f"   {number}/{given.runs}: {kind}, {took[kind][-1]:.2f} s, most sockets {high_water}", flush=True
                )
        for kind, figures in took.items():
            if figures:
                print(summary(f"{kind}", figures, budget=MAX_SECONDS))
        high_water = simulator.connections()["high_water"]
        print(f"{given.runs} fail-overs, most sockets at a time by the broker's count: {high_water} of {MOST_SOCKETS}")


if __name__ == "__main__":
    main()
