"""Frames to browsers: how many arrive, how late, and what they cost the web process.

    make bench ARGS=fanout
    make bench ARGS="fanout --browsers 500 1000 --rate 4 --shared"
    make bench ARGS="fanout --browsers 200 --slow"
    make bench ARGS="fanout --browsers 200 --server uvicorn daphne"

Starts a simulator (20,000 packets a second), a feed worker with 2,000 instruments, and for each case a web process with
browser sockets that acknowledge every frame, all in this process. *Distinct* browsers watch different sets, *shared*
ones the same set. Figures: frames of those that are due, rows, processor time of the web process in all and per million
rows, the time from the receipt of a packet to the receipt of its row, of a sample of the rows, and memory per browser.

With `--slow`, one browser stalls and ten acknowledge a second late; they must change the p99 of the others by no more
than a tenth. Times with and without them alternate, on the same sockets. With `--layer`, the same browsers also get
every tick by `group_send` of the Channels layer (`group_send.py`), whose publisher is a process of its own.

Without options: the cases of DEFAULT, in about four minutes. `--all`: each number of browsers, set and rate.
"""

# ruff: noqa: I001  Importing the database sets Django up.

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.database import own_database
from benchmarks.browsers import BrowserSocket, Received, TickSocket, opened
from benchmarks.report import Figure, record

import psutil
from django.conf import settings
from picows import WSListener

from marketdata.streaming.outbox import RATES_HZ
from terminal.admission import take_all_descriptors
from tests.browsers import log_in
from tests.integration.subscriptions.feed.feed_workers import (
    make_subscriptions,
    running_worker,
    server_environment,
    wait_until_streaming,
)
from tests.processes import PythonProcess
from tests.simulators import running_simulator
from tests.web_servers import SERVERS, running_web_process

INSTRUMENTS = 2_000  # chosen: more than a thousand distinct sets of 202
STEP = 101  # the sets of distinct browsers begin so many instruments apart; prime to the number of beginnings
WARM_SECONDS, SECONDS = 5.0, 12.0  # chosen: one frame in a thousand is a stable p99 of 200 browsers
PROBE_SECONDS = 2.0  # chosen: the hub of a new web process has every row
STALLED, SLOW = 1, 10  # required
SLOW_ACKNOWLEDGEMENT_SECONDS = 1.0  # chosen: late, and not yet reason enough for a lower rate (outbox)
WINDOWS, WINDOW_SECONDS = 3, 6.0  # chosen: of each kind; a stalled browser is closed after 15 s
SETTLE_SECONDS = 1.5  # chosen: the last late acknowledgement has arrived
# Of 200 browsers with 200 instruments at 4 Hz.
BUDGET_PERCENT, BUDGET_CPU_SECONDS = 50.0, 3.0
LEAST_SHARE = 0.99  # chosen: the frames at both ends of the measurement may fall outside of it
BUDGET_KB = 64.0  # per browser
MEMORY_FROM = 100  # chosen: with fewer browsers the allocator's steps are larger than their memory
MOST_SLOWER = 1.10  # required: of the p99 of the others
STOP_SECONDS = 10.0
ALL_BROWSERS, ALL_INSTRUMENTS, ALL_RATES = (20, 100, 200, 500, 1_000), (100, 202), (4, 10)


@dataclass(frozen=True, slots=True)
class Case:
    """Browsers of one kind on one web process."""

    browsers: int
    instruments: int = 200
    hz: int = 4
    is_shared: bool = False
    server: str = "uvicorn"
    has_slow: bool = False
    is_layer: bool = False

    @property
    def name(self) -> str:
        sets = "shared" if self.is_shared else "distinct"
        server = "" if self.server == "uvicorn" else f", {self.server}"
        return f"{self.browsers:,} x {self.instruments} {sets}, {self.hz} Hz{server}"

    @property
    def is_budgeted(self) -> bool:
        return (self.browsers, self.instruments, self.hz, self.server) == (200, 200, 4, "uvicorn")

    def list_watched(self, ids: Sequence[int]) -> list[Sequence[int]]:
        """Return the watched set of each browser."""
        beginnings = len(ids) - self.instruments
        firsts = [0 if self.is_shared else number * STEP % beginnings for number in range(self.browsers)]
        return [ids[first : first + self.instruments] for first in firsts]


# The alternative first: the figures of the same browsers are compared with it.
DEFAULT = (
    Case(200, is_layer=True),
    Case(20),
    Case(200),
    Case(200, is_shared=True),
    Case(200, is_shared=True, hz=10),
    Case(200, has_slow=True),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of one case, per second where they are counts."""

    frames: float
    rows: float
    percent: float
    """Of a core, by the web process."""
    p50: float
    p99: float
    kilobytes: float
    """Resident memory of the web process, per browser."""
    lost: int
    """Browsers whose socket the server has closed: the other figures are those of the remaining ones."""

    @property
    def cpu_seconds(self) -> float:
        """CPU-seconds of the web process per million rows."""
        return self.percent / 100 / self.rows * 1e6 if self.rows else float("inf")


@dataclass(frozen=True, slots=True)
class Web:
    """A web process, and how to connect to it."""

    address: str
    process: psutil.Process
    cookie: str

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system

    def kilobytes(self) -> float:
        size: int = self.process.memory_info().rss
        return size / 1024


@asynccontextmanager
async def warm(web: Web, sockets: Sequence[WSListener], probe: WSListener) -> AsyncIterator[float]:
    """Open `sockets` on a web process that serves already, and yield its memory before them once they are warm."""
    # The first browser starts the hub, whose memory is not that of browsers.
    async with opened(web.address, web.cookie, [probe]):
        await asyncio.sleep(PROBE_SECONDS)
        before = web.kilobytes()
    async with opened(web.address, web.cookie, sockets):
        await asyncio.sleep(WARM_SECONDS)
        yield before


async def measure(web: Web, case: Case, ids: Sequence[int]) -> Measured:
    """Open the browsers of a case, and return its figures."""
    received = Received()
    sets = case.list_watched(ids)
    sockets: list[WSListener] = [
        TickSocket(one, received) if case.is_layer else BrowserSocket(one, case.hz, received) for one in sets
    ]
    probe = TickSocket(sets[0], Received()) if case.is_layer else BrowserSocket(sets[0], case.hz, Received())
    async with warm(web, sockets, probe) as memory:
        received.clear()
        before, began = web.cpu_seconds(), time.monotonic()
        await asyncio.sleep(SECONDS)
        took, used = time.monotonic() - began, web.cpu_seconds() - before
        return Measured(
            frames=received.frames / took,
            rows=received.rows / took,
            percent=100 * used / took,
            p50=received.percentile(50),
            p99=received.percentile(99),
            kilobytes=(web.kilobytes() - memory) / max(1, case.browsers - received.lost),
            lost=received.lost,
        )


async def measure_slow(web: Web, case: Case, ids: Sequence[int]) -> tuple[float, float]:
    """Return the p99 of the ordinary browsers, with slow ones among all and without."""
    received, ignored = Received(), Received()
    sets = case.list_watched(ids)
    slow = [BrowserSocket(one, case.hz, ignored) for one in sets[: STALLED + SLOW]]
    others = [BrowserSocket(one, case.hz, received) for one in sets[STALLED + SLOW :]]
    taken: Mapping[bool, list[float]] = {True: [], False: []}
    async with warm(web, [*slow, *others], BrowserSocket(sets[0], case.hz, ignored)):
        for is_slow in (False, True) * WINDOWS:
            for socket in slow[STALLED:]:
                socket.acknowledge_after_seconds = SLOW_ACKNOWLEDGEMENT_SECONDS if is_slow else 0.0
            for socket in slow[:STALLED]:
                (socket.stall if is_slow else socket.resume)()
            await asyncio.sleep(SETTLE_SECONDS)
            received.clear()
            await asyncio.sleep(WINDOW_SECONDS)
            taken[is_slow].extend(received.milliseconds)
    with_slow, without = (Received(milliseconds=taken[is_slow]).percentile(99) for is_slow in (True, False))
    return with_slow, without


def record_slow(case: Case, with_slow: float, without: float) -> None:
    """Record the p99 of the ordinary browsers beside slow ones."""
    record(
        Figure(
            "fanout",
            f"{case.name}: p99 beside {STALLED} stalled and {SLOW} slow",
            with_slow,
            "ms",
            budget=MOST_SLOWER * without,
            alternative="none slow",
            alternative_value=without,
        )
    )


def record_case(case: Case, found: Measured, other: Measured | None) -> None:
    """Record the figures of a case; `other` is the same case by `group_send`."""
    due, is_budgeted = case.browsers * case.hz, case.is_budgeted

    def add(name: str, field: str, unit: str, budget: float | None = None, *, more: bool = False) -> None:
        # A frame of the alternative has one row, and its web process does less: only these are compared.
        is_compared = other is not None and field not in {"frames", "percent", "lost"}
        record(
            Figure(
                "fanout",
                f"{case.name}: {name}",
                getattr(found, field),
                unit,
                budget=budget,
                is_minimum=more,
                alternative="group_send",
                alternative_value=getattr(other, field) if is_compared else None,
            )
        )

    add(f"frames of {due:,}", "frames", "/s", LEAST_SHARE * due if is_budgeted else None, more=True)
    add("rows", "rows", "/s", more=True)
    add("web", "percent", "% of a core", BUDGET_PERCENT if is_budgeted else None)
    add("a million rows", "cpu_seconds", "CPU-s", BUDGET_CPU_SECONDS if is_budgeted else None)
    add("packet to browser, p50", "p50", "ms")
    add("packet to browser, p99", "p99", "ms")
    add("browsers closed by the server", "lost", "browsers", 0.0)
    if case.browsers >= MEMORY_FROM:
        add("memory per browser", "kilobytes", "kB", BUDGET_KB)


@contextmanager
def running_publisher(directory: Path) -> Iterator[None]:
    """Run the publisher of the alternative for the block."""
    log = directory / "publisher.log"
    process = PythonProcess("benchmarks.group_send", [], environment=server_environment(), output=log)
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.kill()
        process.wait(STOP_SECONDS)


@dataclass(frozen=True, slots=True)
class Market:
    """A running simulator and feed worker, and what a web process and its browsers need of them."""

    directory: Path
    cookie: str
    ids: Sequence[int]
    variables: Mapping[str, str]
    """Settings of the web process."""

    @contextmanager
    def running_web(self, case: Case) -> Iterator[Web]:
        """Run the web process of a case for the block."""
        module = "benchmarks.group_send" if case.is_layer else "terminal.asgi"
        with (
            running_publisher(self.directory) if case.is_layer else nullcontext(),
            running_web_process(self.directory, server=case.server, module=module, **self.variables) as found,
        ):
            address, process = found
            yield Web(address, psutil.Process(process.pid), self.cookie)


@contextmanager
def running_market() -> Iterator[Market]:
    """Start a simulator and a feed worker, and yield them once they stream."""
    take_all_descriptors()
    with own_database(), TemporaryDirectory() as folder, running_simulator(rate=20_000, small=False) as simulator:
        ids = [one.instrument_id for one in make_subscriptions(simulator, count=INSTRUMENTS)]
        with running_worker(Path(folder), name="feed", simulator=simulator):
            wait_until_streaming(INSTRUMENTS)
            yield Market(Path(folder), log_in("bench"), ids, {"DHAN_REST_URL": simulator.rest_url})


def run(market: Market, cases: Sequence[Case]) -> None:
    """Measure every case on a web process of its own."""
    by_layer: dict[Case, Measured] = {}
    for case in cases:
        with market.running_web(case) as web:
            if case.has_slow:
                record_slow(case, *asyncio.run(measure_slow(web, case, market.ids)))
                continue
            found = asyncio.run(measure(web, case, market.ids))
        if case.is_layer:
            print(f"{case.name} by group_send: {found.rows:,.0f} rows/s", flush=True)
            by_layer[replace(case, is_layer=False)] = found
        else:
            record_case(case, found, by_layer.get(case))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Define the options; cases are all combinations of those given."""
    parser.add_argument("--browsers", type=int, nargs="+", default=[200], metavar="N")
    parser.add_argument("--instruments", type=int, nargs="+", default=[200], metavar="N", help="of each browser")
    parser.add_argument("--rate", type=int, nargs="+", default=[4], choices=RATES_HZ, help="frames a second")
    parser.add_argument("--shared", action="store_true", help="all browsers watch the same instruments")
    parser.add_argument("--distinct", action="store_true", help="each browser watches other ones (the default)")
    parser.add_argument("--server", nargs="+", default=["uvicorn"], choices=SERVERS)
    parser.add_argument("--slow", action="store_true", help="a stalled browser and ten slow ones among the others")
    parser.add_argument("--layer", action="store_true", help="also by group_send of the Channels layer")
    parser.add_argument("--all", action="store_true", help=f"{ALL_BROWSERS} browsers, both rates, sets and sizes")


def list_cases(given: argparse.Namespace) -> Sequence[Case]:
    """Return the chosen cases; DEFAULT if no option was given."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    if given == parser.parse_args([]):
        return DEFAULT
    browsers, instruments, rates = given.browsers, given.instruments, given.rate
    sets = [False] * (given.distinct or not given.shared) + [True] * given.shared
    if given.all:
        browsers, instruments, rates, sets = ALL_BROWSERS, ALL_INSTRUMENTS, ALL_RATES, [False, True]
    kinds = [{"is_layer": True}] * given.layer + [{}] + [{"has_slow": True}] * given.slow
    return [
        Case(number, size, hz, is_shared, server, **kind)
        for server, number, size, hz, is_shared in product(given.server, browsers, instruments, rates, sets)
        for kind in kinds
        if number > STALLED + SLOW or "has_slow" not in kind
    ]


def main(given: argparse.Namespace) -> None:
    """Start the stack and measure."""
    settings.REDIS_PREFIX = "bench-fanout"
    with running_market() as market:
        run(market, list_cases(given))
