"""An accelerated day with 25,000 instruments: memory, open files and lag of every process, and their growth.

    make soak ARGS="day --minutes 60"                               a trading day of packets in an hour
    make soak ARGS="day --minutes 60 --hours 24 --hour-minutes 2"   and then 24 hours, of which 9 to 16 trade

Outside the session the sockets of the simulator stay open and send only pings. A slope is the least-squares line
through the samples after the first fifth, in which caches fill. Lag is the time from a flush to its frame in Redis.
"""

# ruff: noqa: I001  Importing the rounds sets Django up.

import argparse
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from benchmarks.soak_rounds import own_servers

from subscriptions.feed.connection.monitor import REFRESH_SECONDS
from tests.browsers import log_in, watching_browser
from tests.faults.connections import close_all_day, open_all_day
from tests.integration.subscriptions.feed.feed_workers import (
    STOP_SECONDS,
    make_subscriptions,
    list_reports,
    running_worker,
    server_environment,
    wait_until_streaming,
)
from tests.processes import REPOSITORY
from tests.simulators import SimulatorAddress, running_simulator
from tests.web_servers import running_web

OPEN_HOURS = range(9, 16)  # the hours that contain the session, 09:15 to 15:30
FIRST_HOUR = 8  # the hour of the import
WARM_SHARE = 0.2  # chosen: caches fill in the first fifth
WATCHED = 200  # chosen: instruments of a large screen in the browser
START_SECONDS = 180.0  # chosen: 25,000 subscriptions on a loaded machine


@dataclass
class Series:
    """What was sampled of one process: when (seconds), resident memory (MB), open files."""

    at: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def sample(self, pid: int, at: float) -> None:
        """Sample a process."""
        process = psutil.Process(pid)
        self.at.append(at)
        self.memory.append(process.memory_info().rss / 1e6)
        self.files.append(process.num_fds())

    def describe(self) -> str:
        """Return memory at both ends, its slope in MB an hour, and open files."""
        first = int(len(self.at) * WARM_SHARE)
        slope = float(np.polyfit(self.at[first:], self.memory[first:], 1)[0]) * 3_600
        return (
            f"{self.memory[first]:7.1f} -> {self.memory[-1]:7.1f} MB, slope {slope:+7.2f} MB/h, "
            f"files {self.files[first]} -> {self.files[-1]}"
        )


@dataclass
class Monitor:
    """The samples of the stack's processes, by name, in one part of the day."""

    pids: Mapping[str, int]
    every: float
    series: dict[str, Series] = field(default_factory=dict)
    lag: list[tuple[int, int]] = field(default_factory=list)

    def reset(self) -> None:
        """Discard all samples."""
        self.series = {name: Series() for name in self.pids}
        self.lag = []

    def sample(self, seconds: float) -> None:
        """Sample every process until `seconds` have passed."""
        began_at, pause = time.monotonic(), threading.Event()
        while time.monotonic() - began_at < seconds:
            for name, pid in self.pids.items():
                self.series[name].sample(pid, time.monotonic())
            self.lag.append(late_share())
            pause.wait(self.every)

    def describe(self, part: str) -> None:
        """Print a summary of the samples."""
        print(f"{part}:")
        for name, one in self.series.items():
            print(f"   {name:<10} {one.describe()}")
        third = len(self.lag) // 3
        for name, lag in (("first", self.lag[:third]), ("last", self.lag[-third:])):
            frames, late = (lag[-1][place] - lag[0][place] for place in (0, 1))
            print(f"   lag, {name} third: {late:,} of {frames:,} frames later than 0.1 s")
        causes = sum((Counter(one.statistics.reconnects) for one in list_reports()), Counter[str]())
        print(f"   reconnects by cause: {dict(causes) or 'none'}; load {os.getloadavg()[0]:.1f}", flush=True)


def late_share() -> tuple[int, int]:
    """Return how many frames were published so far, and how many of them later than 0.1 s after their flush."""
    lags = [one.statistics.publish_lag for one in list_reports()]
    late = sum(
        count for lag in lags for bound, count in zip((*lag.bounds, 9.9), lag.counts, strict=True) if bound > 0.1
    )
    return sum(sum(lag.counts) for lag in lags), late


def find_process(*words: str) -> int:
    """Return the process whose arguments contain all of `words`."""
    for process in psutil.process_iter(["cmdline"]):
        if {*words} <= {*(process.info["cmdline"] or ())}:
            return int(process.pid)
    raise LookupError(words)


@contextmanager
def running_beat(directory: Path) -> Iterator[int]:
    """Yield the id of a process that fires the scheduled tasks, as in the stack."""
    command = [sys.executable, "-m", "celery", "-A", "terminal", "beat", "--pidfile=", "--loglevel", "INFO"]
    with (directory / "beat.log").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=server_environment(), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def simulate_hours(monitor: Monitor, simulator: SimulatorAddress, *, hours: int, seconds: float) -> None:
    """Simulate `hours` of `seconds` each, from eight in the morning."""
    was_open = True
    for hour in range(FIRST_HOUR, FIRST_HOUR + hours):
        is_open = hour % 24 in OPEN_HOURS
        print(f"   {hour % 24:02}:00, {'open' if is_open else 'closed'}", flush=True)
        left = seconds
        if is_open and not was_open:
            simulator.clear_fault("mute")
            open_all_day()
        elif was_open and not is_open:
            close_all_day()
            monitor.sample(REFRESH_SECONDS + 1)  # A day closed by hand is known when the calendar has been read again.
            left -= REFRESH_SECONDS + 1
            simulator.set_fault("mute")
        was_open = is_open
        monitor.sample(left)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one day."""
    parser = argparse.ArgumentParser(prog="soak_day", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long the session takes")
    parser.add_argument("--hours", type=int, default=0, help="simulated hours after it")
    parser.add_argument("--hour-minutes", type=float, default=2.0, help="how long one of them takes")
    parser.add_argument("--count", type=int, default=25_000)
    parser.add_argument("--rate", type=int, default=20_000, help="packets a second")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between samples")
    given = parser.parse_args(arguments)
    with ExitStack() as stack:
        servers, logs = stack.enter_context(own_servers())
        simulator = stack.enter_context(running_simulator(rate=given.rate, small=False, faults={}))
        watched = [one.instrument_id for one in make_subscriptions(simulator, count=given.count)][:WATCHED]
        open_all_day()
        feed = stack.enter_context(running_worker(logs, name="feed", simulator=simulator))
        work = stack.enter_context(running_worker(logs, name="work", simulator=simulator, queue="default"))
        beat = stack.enter_context(running_beat(logs))
        web = stack.enter_context(running_web(logs, DHAN_REST_URL=simulator.rest_url))
        wait_until_streaming(given.count, seconds=START_SECONDS)
        stack.enter_context(watching_browser(web, log_in("asha"), watched))
        monitor = Monitor(
            {
                "feed": feed.process.pid,
                "work": work.process.pid,
                "beat": beat,
                "web": find_process("uvicorn", web.rpartition(":")[2]),
                "redis": servers.redis_child.pid,
                "simulator": simulator.process_id,
            },
            every=given.every,
        )
        monitor.reset()
        monitor.sample(given.minutes * 60)
        monitor.describe(f"a session in {given.minutes:g} min")
        if given.hours:
            monitor.reset()
            simulate_hours(monitor, simulator, hours=given.hours, seconds=given.hour_minutes * 60)
            monitor.describe(f"{given.hours} hours, each in {given.hour_minutes:g} min")


if __name__ == "__main__":
    main()
