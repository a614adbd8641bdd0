"""The feed worker at full capacity: simulator, five sockets, quote tables, Redis, with 25,000 instruments subscribed.

    make bench ARGS=feed
    make bench ARGS="feed --rate 50000 --seconds 60"

One worker owns all five connections. For each rate it starts with a new simulator, and the figures are those of its
process: CPU-seconds of a million packets, share of a core, and the time of a flush (decoding, from its histogram).
After that the simulator is made mute, and the packets that it counted must be those that the owners reported.

The alternative is the design without a quote table: each packet is decoded with struct and published alone, as JSON.
It is measured in this process on a few thousand packets, without the cost of a socket.
"""

# ruff: noqa: I001  Importing the database sets Django up.

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.database import FULL, own_database

import numpy as np
import numpy.typing as npt
import psutil
import redis.asyncio
from django.conf import settings

from benchmarks.bench_quote_table import full, make_stream
from benchmarks.report import Figure, record
from marketdata.dhan import packets
from marketdata.domain.feed import ConnectionReport
from tests.integration.subscriptions.feed.feed_workers import (
    CONNECTIONS,
    list_reports,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import SimulatorAddress, running_simulator
from tests.waiting import wait_until

RATES = (20_000, 50_000, 100_000)  # a usual second, the budget, and the most that 25,000 instruments can send
SHARE_BUDGETS = {50_000: 25.0}  # percent of a core
WARM_SECONDS = 5.0  # chosen: caches and allocators have their final size
SECONDS = 15.0  # chosen: 150 flushes of each connection, so p99 is of 750
START_SECONDS = 180.0  # chosen: 250 subscribe messages and 25,000 first packets, on a busy machine
DRAIN_SECONDS = 5.0  # chosen: five reports, and less than a socket without packets stays open
ALTERNATIVE_PACKETS = 5_000  # chosen: a second of work


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters of the worker and of the simulator at one moment."""

    at: float
    cpu_seconds: float
    packets_sent: int
    reports: Sequence[ConnectionReport]


def read(simulator: SimulatorAddress, process: psutil.Process) -> Reading:
    """Return the counters now, with those of every connection: a report expires on a machine that is too busy."""
    wait_until(lambda: len(list_reports()) == CONNECTIONS, message="every connection reported")
    times = process.cpu_times()
    return Reading(
        at=time.monotonic(),
        cpu_seconds=times.user + times.system,
        packets_sent=int(simulator.connections()["packets_sent"]),
        reports=list_reports(),
    )


def count_flushes(reading: Reading) -> npt.NDArray[np.int64]:
    """Return the flushes of all connections by bucket of the histogram."""
    counts: npt.NDArray[np.int64] = np.sum([one.statistics.flush.counts for one in reading.reports], axis=0)
    return counts


def percentile(before: Reading, after: Reading, share: float) -> float:
    """Return a percentile of the flushes between two readings, in ms; linear within a bucket of the histogram."""
    counts = count_flushes(after) - count_flushes(before)
    # Flushes above the last bound count as that bound.
    bounds = np.array([0.0, *after.reports[0].statistics.flush.bounds])
    below = np.concatenate(([0], np.cumsum(counts)))[: len(bounds)]
    return float(np.interp(share * counts.sum(), below, bounds)) * 1_000


def count_lost(simulator: SimulatorAddress) -> int:
    """Stop the packets, wait until the owners have read all of them, and return how many they have not."""
    simulator.set_fault("mute")
    sent = int(simulator.connections()["packets_sent"])
    try:
        wait_until(
            lambda: sum(one.packets for one in list_reports()) == sent,
            seconds=DRAIN_SECONDS,
            message=f"{sent} packets reported",
        )
    except AssertionError:
        return sent - sum(one.packets for one in list_reports())
    return 0


def measure(
    directory: Path, simulator: SimulatorAddress, rate: int, alternative_seconds: float, *, seconds: float
) -> None:
    """Start a worker, let it stream, and record the figures of one rate."""
    with running_worker(directory, name=f"feed{rate}", simulator=simulator) as worker:
        wait_until_streaming(FULL, seconds=START_SECONDS)
        process = psutil.Process(worker.process.pid)
        time.sleep(WARM_SECONDS)
        before = read(simulator, process)
        time.sleep(seconds)
        after = read(simulator, process)
        lost = count_lost(simulator)
    took, sent = after.at - before.at, after.packets_sent - before.packets_sent
    used = after.cpu_seconds - before.cpu_seconds
    name = f"{rate:,} packets/s on {FULL:,}"
    record(Figure("feed", f"{name}: packets sent", sent / took, "/s", budget=0.95 * rate, is_minimum=True))
    record(
        Figure(
            "feed",
            f"{name}: a million packets",
            used / sent * 1e6,
            "CPU-s",
            alternative="decoded and published one by one",
            alternative_value=alternative_seconds * 1e6,
        )
    )
    record(Figure("feed", f"{name}: worker", 100 * used / took, "% of a core", budget=SHARE_BUDGETS.get(rate)))
    record(Figure("feed", f"{name}: flush, p50", percentile(before, after, 0.5), "ms"))
    record(Figure("feed", f"{name}: flush, p99", percentile(before, after, 0.99), "ms"))
    record(Figure("feed", f"{name}: packets lost", lost, "packets", budget=0))


async def publish_each(stream: Sequence[bytes]) -> float:
    """Decode and publish packets one by one; return the CPU-seconds of one, those of this process."""
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL)
    await client.ping()
    began = time.process_time()
    for packet in stream:
        await client.publish(f"{settings.REDIS_PREFIX}:ticks", json.dumps(packets.FULL.unpack(packet)))
    used = time.process_time() - began
    await client.aclose()
    return used / len(stream)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("--rate", type=int, nargs="+", default=list(RATES), metavar="N", help="packets a second")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="duration of the measurement of each rate")


def main(given: argparse.Namespace) -> None:
    """Measure every rate, and the alternative first."""
    settings.REDIS_PREFIX = "bench-feed"
    alternative_seconds = asyncio.run(publish_each(make_stream(full, stacked=1)[:ALTERNATIVE_PACKETS]))
    with own_database(), TemporaryDirectory() as folder:
        for number, rate in enumerate(given.rate):
            with running_simulator(rate=rate, small=False, faults={}) as simulator:
                # The listing, and with it the ids, are those of every simulator of this day.
                if number == 0:
                    make_subscriptions(simulator, count=FULL)
                measure(Path(folder), simulator, rate, alternative_seconds, seconds=given.seconds)
