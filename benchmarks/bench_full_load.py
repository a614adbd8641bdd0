"""Everything at once and for long: all 25,000 instruments, 50,000 packets a second, and 200 browsers.

    make bench ARGS=full_load
    make bench ARGS="full_load --minutes 10"

One simulator, one feed worker that owns all five connections, one web process, and browsers that watch 100 different
instruments each at 4 Hz. Each minute is one line: frames, times from packet to browser, processors, memory, and what
waits. Nothing may grow: a queue that grows shows as a later p99 and as memory of its process, of Redis or of the web
process. The first minute is not compared, because caches fill in it; memory is compared over the second half, because
the allocators of Python and of the C library take their size in the first minutes.
"""

# ruff: noqa: I001  Importing the database sets Django up.

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.database import FULL, own_database
from benchmarks.browsers import BrowserSocket, Received, opened
from benchmarks.report import Figure, record

import psutil
import redis
from django.conf import settings
from django.db import connection

from subscriptions import selectors
from terminal.admission import take_all_descriptors
from tests.browsers import log_in
from tests.integration.subscriptions.feed.feed_workers import make_subscriptions, running_worker, wait_until_streaming
from tests.simulators import running_simulator
from tests.web_servers import running_web_process

RATE = 50_000  # required, as the numbers of browsers, instruments and frames
BROWSERS, WATCHED, HZ = 200, 100, 4
STEP = 101  # the sets of two browsers begin so many instruments apart; prime to the number of beginnings
START_SECONDS = 180.0  # chosen: 250 subscribe messages and 25,000 first packets, on a busy machine
MINUTE = 60.0
LEAST_SHARE = 0.99  # chosen: the frames at both ends of a minute may fall outside of it
MOST_GROWTH_MB = 4.0  # chosen: Redis alone goes up and down by one; leaked rows of all frames are 250 a minute
MOST_LATER = 1.5  # chosen: of the p99 of the second minute; a queue that grows has no bound


@dataclass(frozen=True, slots=True)
class Minute:
    """What one minute brought; memory at its end, in MB by process."""

    frames: float  # a second
    p50: float  # ms
    p99: float
    drift: int | None
    lost: int
    percent: Mapping[str, float]  # of a core, by process
    memory: Mapping[str, float]
    waiting_kb: float  # that Redis has not sent to its subscribers

    def describe(self, number: int) -> str:
        """Return the line of the minute."""
        shares = ", ".join(f"{name} {percent:.0f} %" for name, percent in self.percent.items())
        memory = ", ".join(f"{name} {megabytes:.1f}" for name, megabytes in self.memory.items())
        return (
            f"minute {number}: {self.frames:.0f} frames/s, p50 {self.p50:.0f}, p99 {self.p99:.0f} ms, "
            f"drift {self.drift}, closed {self.lost}; {shares}; MB: {memory}; waiting {self.waiting_kb:.0f} kB"
        )


class Observer:
    """Reads the processes of the stack."""

    def __init__(self, processes: Mapping[str, psutil.Process]) -> None:
        self._processes = processes
        self._redis = redis.Redis.from_url(settings.REDIS_URL)

    def cpu_seconds(self) -> Mapping[str, float]:
        times = {name: process.cpu_times() for name, process in self._processes.items()}
        return {name: one.user + one.system for name, one in times.items()}

    def memory(self) -> Mapping[str, float]:
        """Return the resident memory of each process and of Redis, in MB."""
        found = {name: process.memory_info().rss / 1e6 for name, process in self._processes.items()}
        info: Mapping[str, int] = self._redis.info("memory")
        return found | {"redis": info["used_memory"] / 1e6}

    def waiting_kb(self) -> float:
        """Return what the output buffers of Redis hold for all subscribers."""
        clients: Sequence[Mapping[str, str]] = self._redis.client_list()
        return sum(int(one["omem"]) for one in clients) / 1_000


def read_drift() -> int | None:
    """Return the instruments that should stream and do not; None while Redis does not answer."""
    try:
        return selectors.subscription_status().drift
    finally:
        connection.close()  # That of this thread: the database is dropped at the end.


async def run_minutes(minutes: int, address: str, cookie: str, ids: Sequence[int], observer: Observer) -> list[Minute]:
    """Open the browsers, and return what each minute brought."""
    received = Received()
    firsts = [number * STEP % (len(ids) - WATCHED) for number in range(BROWSERS)]
    sockets = [BrowserSocket(ids[first : first + WATCHED], HZ, received) for first in firsts]
    found: list[Minute] = []
    async with opened(address, cookie, sockets):
        loop = asyncio.get_running_loop()
        for number in range(1, minutes + 1):
            received.clear()
            began, before = loop.time(), observer.cpu_seconds()
            await asyncio.sleep(MINUTE)
            took, after = loop.time() - began, observer.cpu_seconds()
            one = Minute(
                frames=received.frames / took,
                p50=received.percentile(50),
                p99=received.percentile(99),
                drift=await asyncio.to_thread(read_drift),
                lost=received.lost,
                percent={name: 100 * (after[name] - before[name]) / took for name in after},
                memory=await asyncio.to_thread(observer.memory),
                waiting_kb=await asyncio.to_thread(observer.waiting_kb),
            )
            print(one.describe(number), flush=True)
            found.append(one)
    return found


def record_minutes(minutes: Sequence[Minute]) -> None:
    """Record the worst of all minutes but the first one, and what has grown."""
    compared, second_half = minutes[1:], minutes[len(minutes) // 2 :]
    first, last = compared[0], compared[-1]

    def add(name: str, value: float, unit: str, budget: float | None = None, *, more: bool = False) -> None:
        record(Figure("full_load", name, value, unit, budget=budget, is_minimum=more))

    add(f"frames of {BROWSERS * HZ}, worst minute", min(one.frames for one in compared), "/s", more=True,
        budget=LEAST_SHARE * BROWSERS * HZ)  # fmt: skip
    add("largest drift", max(FULL if one.drift is None else one.drift for one in compared), "instruments", 0)
    add("browsers closed by the server", last.lost, "browsers", 0)
    add("packet to browser, p50 of the last minute", last.p50, "ms")
    add("packet to browser, p99 of the last minute", last.p99, "ms", MOST_LATER * first.p99)
    for name in first.percent:
        add(f"{name}, mean", sum(one.percent[name] for one in compared) / len(compared), "% of a core")
    for name, before in second_half[0].memory.items():
        growth = last.memory[name] - before
        add(f"memory of {name}, growth in {len(second_half) - 1} minutes", growth, "MB", MOST_GROWTH_MB)
    add("waiting in Redis, most", max(one.waiting_kb for one in compared), "kB")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("--minutes", type=int, default=3, help="duration, at least 3")


def main(given: argparse.Namespace) -> None:
    """Start the stack and observe it."""
    settings.REDIS_PREFIX = "bench-full-load"
    take_all_descriptors()
    with own_database(), TemporaryDirectory() as folder, running_simulator(rate=RATE, small=False) as simulator:
        directory = Path(folder)
        ids = [one.instrument_id for one in make_subscriptions(simulator, count=FULL)]
        with (
            running_worker(directory, name="feed", simulator=simulator) as worker,
            running_web_process(directory, DHAN_REST_URL=simulator.rest_url) as (address, process),
        ):
            wait_until_streaming(FULL, seconds=START_SECONDS)
            observed = {"feed": psutil.Process(worker.process.pid), "web": psutil.Process(process.pid)}
            minutes = run_minutes(max(3, given.minutes), address, log_in("bench"), ids, Observer(observed))
            record_minutes(asyncio.run(minutes))
