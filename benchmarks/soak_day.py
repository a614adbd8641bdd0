"""A day at 25,000 instruments in less time: memory, open files and lag of every process, and how they grow.

    make soak ARGS="day --minutes 60"             a trading day of packets in an hour, open throughout
    make soak ARGS="day --minutes 60 --hours 24"  as many hours in it, of which those from 9:15 to 15:30 trade

Outside the session the broker's sockets stay and say nothing but pings. A slope is the straight line of least squares
through the samples after the first fifth, in which caches fill; lag is from a flush to its frame on the board.
"""

# ruff: noqa: I001  Importing the rounds sets Django up.

import argparse
import os
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.soak_rounds import own_servers

from tests.browsers import log_in, watching_browser
from tests.faults.connections import close_all_day, open_all_day
from tests.integration.subscriptions.feed.worlds import (
    make_subscriptions,
    reports,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import SimulatorAddress, running_simulator
from tests.web_servers import running_web

OPEN_HOURS = range(9, 16)
PAGE = os.sysconf("SC_PAGE_SIZE")
WARM_SHARE = 0.2
WATCHED = 200
START_SECONDS = 180.0


@dataclass
class Series:
    """What was sampled of one process: when (seconds), resident memory (MB), open files."""

    at: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def sample(self, pid: int, at: float) -> None:
        """Look at a process."""
        self.at.append(at)
        self.memory.append(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6)
        self.files.append(len(list(Path(f"/proc/{pid}/fd").iterdir())))

    def describe(self) -> str:
        """Return memory at both ends, its slope in MB an hour, and open files."""
        first = int(len(self.at) * WARM_SHARE)
        slope = float(np.polyfit(self.at[first:], self.memory[first:], 1)[0]) * 3_600
        return (
            f"{self.memory[first]:7.1f} -> {self.memory[-1]:7.1f} MB, slope {slope:+7.2f} MB/h, "
            f"files {self.files[first]} -> {self.files[-1]}"
        )


def late_share() -> tuple[int, int]:
    """Return how many frames were published so far, and how many of them later than 0.1 s after their flush."""
    lags = [one.figures.publish_lag for one in reports()]
    late = sum(
        count for lag in lags for bound, count in zip((*lag.bounds, 9.9), lag.counts, strict=True) if bound > 0.1
    )
    return sum(sum(lag.counts) for lag in lags), late


def find_process(*words: str) -> int:
    """Return the process whose arguments hold all of `words`."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        arguments = path.read_bytes().split(b"\0")
        if all(word.encode() in arguments for word in words):
            return int(path.parent.name)
    raise LookupError(words)


def hour_of(elapsed: float, seconds: float, hours: int) -> int:
    """Return which simulated hour of the day it is; the day begins at 8."""
    return (8 + int(elapsed / seconds * hours)) % 24


def turn_market(simulator: SimulatorAddress, *, is_open: bool) -> None:
    """Begin or end a session."""
    if is_open:
        open_all_day()
        simulator.clear_fault("mute")
    else:
        close_all_day()
        simulator.set_fault("mute")


def live(pids: Mapping[str, int], simulator: SimulatorAddress, *, seconds: float, hours: int, every: float) -> None:
    """Let the time pass, sample, and say what came of it."""
    series = {name: Series() for name in pids}
    lag: list[tuple[int, int]] = []
    began_at, is_open, pause = time.monotonic(), True, threading.Event()
    while (elapsed := time.monotonic() - began_at) < seconds:
        should = not hours or hour_of(elapsed, seconds, hours) in OPEN_HOURS
        if should is not is_open:
            is_open = should
            turn_market(simulator, is_open=is_open)
            print(f"   {elapsed:6.0f} s: the market is {'open' if is_open else 'closed'}", flush=True)
        for name, pid in pids.items():
            series[name].sample(pid, elapsed)
        lag.append(late_share())
        pause.wait(every)
    for name, one in series.items():
        print(f"{name:<10} {one.describe()}", flush=True)
    for name, part in (("first", lag[: len(lag) // 3]), ("last", lag[-(len(lag) // 3) :])):
        frames, late = (part[-1][place] - part[0][place] for place in (0, 1))
        print(f"lag, {name} third: {late:,} of {frames:,} frames later than 0.1 s", flush=True)
    causes = sum((Counter(one.figures.reconnects) for one in reports()), Counter[str]())
    print(f"reconnects by cause: {dict(causes) or 'none'}; load {os.getloadavg()[0]:.1f}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one day."""
    parser = argparse.ArgumentParser(prog="soak_day", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long it takes")
    parser.add_argument("--hours", type=int, default=0, help="simulated hours in that; 0 is one session throughout")
    parser.add_argument("--count", type=int, default=25_000)
    parser.add_argument("--rate", type=int, default=20_000, help="packets a second")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between samples")
    given = parser.parse_args(arguments)
    with ExitStack() as stack:
        _, logs = stack.enter_context(own_servers())
        simulator = stack.enter_context(running_simulator(rate=given.rate, small=False, faults={}))
        watched = [one.instrument_id for one in make_subscriptions(simulator, count=given.count)][:WATCHED]
        open_all_day()
        feed = stack.enter_context(running_worker(logs, name="feed", simulator=simulator))
        web = stack.enter_context(running_web(logs, DHAN_REST_URL=simulator.rest_url))
        wait_until_streaming(given.count, seconds=START_SECONDS)
        stack.enter_context(watching_browser(web, log_in("asha"), watched))
        pids = {
            "feed": feed.process.pid,
            "web": find_process("uvicorn", web.rpartition(":")[2]),
            "simulator": simulator.process_id,
        }
        live(pids, simulator, seconds=given.minutes * 60, hours=given.hours, every=given.every)


if __name__ == "__main__":
    main()
