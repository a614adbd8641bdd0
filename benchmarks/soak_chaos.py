"""A random run of kills, freezes and faults of the broker on the stack of `make run`.

Exits with 1 after any violation, and if the machine was too busy for a result.

    make soak ARGS="chaos --minutes 30"
    make soak ARGS="chaos --minutes 5 --seed 7 --acts mute freeze"
    make soak ARGS="chaos --each --acts mute freeze"

Two acts at a time, from a seeded plan. Meanwhile traders add and remove by REST, pages show a chain, the indices and a
list, and a relay reads what the broker sends. Checked at every moment: never a sixth socket, never over 5,000 on one or
25,000 in total; each value shown as live is the newest one on the wire; rows are live only while packets come; a
delayed feed is not shown as live. Checked after each round: all rows are live again; each acknowledged write is in the
database and in the audit log; everything wanted is subscribed. Recovery is the time from the end of an act until no row
of a chain or index is dark; acts that overlap share it.

`--each` performs each act once, alone, and prints what the pages and `/health` showed, with a table of acts.
`--closed` leaves the calendar without a session of today: the packets then prove one, as on a day that it lacks.
"""

import argparse
import asyncio
import math
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx

from benchmarks.chaos import stack as stacks
from benchmarks.chaos.checks import Screen, Violation
from benchmarks.chaos.ledger import Ledger, Target
from benchmarks.chaos.observers import CALM_AFTER_SECONDS, Observer
from benchmarks.chaos.plan import PlannedAct, choose_acts, plan_each, plan_rounds
from benchmarks.chaos.relay import running_relay
from benchmarks.chaos.report import Period, Report
from benchmarks.chaos.screens import running_screen
from benchmarks.chaos.sightings import Sightings
from benchmarks.chaos.stack import Stack
from benchmarks.chaos.stage import Stage
from benchmarks.chaos.traders import Trader, api_client, browser_client
from benchmarks.chaos.wire import WireRecord
from marketdata.domain.sessions import IST

WRITERS: Final = ("asha", "bela", "chetan", "divya")
FILLER: Final = "filler"  # the trader whose chains fill the connections
TARGETS_EACH: Final = 8  # chosen: some shared with the next trader, some not
# Chains beside NIFTY's: a page shows one of them, so that screens differ.
CHAINS: Final = ("NIFTY", "RELIANCE")
SMALL_MOST: Final = 3_000  # chosen: the small listing holds that many in tier B and the chains of its shares
PACKETS_EACH: Final = 2  # chosen: packets a second for each instrument, as in a busy market
MOST_PACKETS: Final = 20_000  # the simulator's limit
FIRST_LIVE_SECONDS: Final = 180.0  # chosen: all pages are live after the start, on a loaded machine
CALM_PAUSE_SECONDS: Final = 4.0  # chosen: sixteen samples of every page


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    minutes: float
    seed: int
    acts: Sequence[str]
    instruments: int
    is_each: bool
    is_closed: bool


def parse_options(arguments: Sequence[str] | None) -> Options:
    """Return the options."""
    parser = argparse.ArgumentParser(
        prog="soak_chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="how long rounds are started")
    parser.add_argument("--seed", type=int, default=None, help="the same seed gives the same acts (default: random)")
    parser.add_argument(
        "--acts", nargs="+", default=[], metavar="NAME", help="only acts whose name contains one of these"
    )
    parser.add_argument("--instruments", type=int, default=1_000, help="about how many stream (default: 1000)")
    parser.add_argument("--each", action="store_true", help="each act once, alone, with a table; ignores --minutes")
    parser.add_argument("--closed", action="store_true", help="the calendar has no session today")
    given = parser.parse_args(arguments)
    try:
        choose_acts(given.acts)
    except ValueError as error:
        parser.error(str(error))
    seed = random.randrange(10**6) if given.seed is None else given.seed
    return Options(given.minutes, seed, given.acts, given.instruments, given.each, given.closed)


@asynccontextmanager
async def running_run(options: Options, home: Path) -> AsyncIterator[tuple[Observer, Stage]]:
    """Yield the observer and the stage of a stack that streams and is watched."""
    ports, wire = stacks.choose_ports(), WireRecord()
    root = stacks.make_root(home)
    variables = {"SIMULATOR_RATE": str(min(MOST_PACKETS, max(500, PACKETS_EACH * options.instruments)))}
    variables["SIMULATOR_SEED"] = str(options.seed)
    if options.instruments <= SMALL_MOST:
        today = datetime.now(UTC).astimezone(IST).date()
        variables["SIMULATOR_MASTER"] = str(stacks.write_small_master(home / "small.csv", today=today))
    async with AsyncExitStack() as ended:
        await ended.enter_async_context(running_relay(wire, port=ports.relay, target_port=ports.simulator_feed))
        running = await ended.enter_async_context(stacks.running_stack(root, ports, variables=variables))
        await _prepare(running, options)
        observer = await _start_observer(running, wire, options, ended)
        # Without connections that stay open: the simulator may close one just when the next request goes out on it.
        once = httpx.Limits(max_keepalive_connections=0)
        control = await ended.enter_async_context(httpx.AsyncClient(trust_env=False, limits=once))
        staff = await ended.enter_async_context(browser_client(running.web, "staff", running.password))
        yield observer, Stage(running, control, staff)


async def _prepare(running: Stack, options: Options) -> None:
    """Open or close the market, choose the preload and create the traders; return when the stack is ready."""
    await stacks.wait_for_tables(running)
    await running.database.replace_sessions(now=datetime.now(UTC), is_open=not options.is_closed)
    await running.database.limit_preload(options.instruments)
    await stacks.wait_until_ready(running)
    await running.database.make_traders([*WRITERS, FILLER])


async def _start_observer(running: Stack, wire: WireRecord, options: Options, ended: AsyncExitStack) -> Observer:
    ledger, may_write = Ledger(), asyncio.Event()
    targets = await running.database.list_targets()
    began_at = time.time()
    traders = [
        Trader(
            name=name,
            client=await ended.enter_async_context(api_client(running.web, name, running.password)),
            ledger=ledger,
            random=random.Random(f"{options.seed} {name}"),
            targets=[targets[(4 * place + step) % len(targets)] for step in range(TARGETS_EACH)],
            may_write=may_write,
        )
        for place, name in enumerate([*WRITERS, FILLER])
    ]
    await _fill(traders[-1], targets, running, options)
    screens = await _start_screens(running, ended)
    timeline = running.output.with_name("timeline.tsv")
    observer = Observer(running, wire, screens, traders, ledger, Report(), timeline, began_at, may_write)
    observer.keys = await running.database.map_keys()
    observer.sightings = Sightings() if options.is_each else None
    return observer


async def _fill(filler: Trader, targets: Sequence[Target], running: Stack, options: Options) -> None:
    """Add the chains of the pages, then others from the end of the list until enough instruments stream."""
    shown = [one for one in targets if one.symbol in CHAINS and one.expiry]
    for target in shown:
        await filler.write(target)
    for target in reversed([one for one in targets if one not in shown]):
        if await running.database.count_subscriptions() >= options.instruments:
            break
        await filler.write(target)
    filler.targets = ()  # It writes no more.


async def _start_screens(running: Stack, ended: AsyncExitStack) -> Sequence[Screen]:
    browser = await ended.enter_async_context(browser_client(running.web, WRITERS[0], running.password))
    indices = await running.database.list_streaming_indices()
    return [
        await ended.enter_async_context(
            running_screen(
                f"page {symbol}",
                web=running.web,
                cookie=browser.cookies["sessionid"],
                watches={
                    "strip": {"instruments": indices},
                    "list": {"watchlist": True},
                    "chain": {"chain": {"symbol": symbol}},
                },
                log=running.output.with_name(f"screen-{symbol}.log"),
            )
        )
        for symbol in CHAINS
    ]


async def run_round(number: int, acts: Sequence[PlannedAct], observer: Observer, stage: Stage) -> None:
    """Perform the acts of one round, wait for the recovery and check what is stored."""
    print(f"round {number}: {' and '.join(str(one) for one in acts)}", flush=True)
    observer.round_number, observer.is_acting = number, True
    observer.report.acts[number] = [one.act.name for one in acts]
    periods = await asyncio.gather(*(_perform(one, observer, stage) for one in acts))
    is_settled = await observer.wait_until_settled()
    observer.is_acting, observer.calm_since = False, time.time()
    if not is_settled:
        now = time.time()
        for sentence in observer.describe_dark():
            observer.record(Violation(now, "every row is live again", "screens", sentence))
    for planned, period in zip(acts, periods, strict=True):
        seconds = observer.dark.recovery_after(period)
        observer.report.add_recovery(planned.act.name, seconds)
        print(f"   {planned.act.name}: recovered after {seconds:.1f} s", flush=True)
        if observer.sightings is not None:
            lines = observer.sightings.finish(planned.title, period, observer.dark, recovery=seconds)
            print(*(f"   {line}" for line in lines), sep="\n", flush=True)
    await observer.check_calm(broker_high_water=await stage.count_sockets())
    # Without acts the limits are stricter.
    await asyncio.sleep(CALM_AFTER_SECONDS + CALM_PAUSE_SECONDS)


async def _perform(planned: PlannedAct, observer: Observer, stage: Stage) -> Period:
    """Perform an act; record a process that does not return, and a token that is not accepted."""
    began_at = time.time()
    try:
        return await stage.perform(planned)
    except (TimeoutError, AssertionError) as error:
        detail = str(error) or "no process to act on"
        observer.record(Violation(time.time(), "what was broken returns", planned.act.name, detail))
        return Period(began_at, time.time())


async def run(options: Options, home: Path) -> bool:
    """Run rounds for the time of the options; return whether no rule was violated."""
    # The group: a checker or a trader that fails ends the run.
    async with running_run(options, home) as (observer, stage), asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in observer.background()]
        if not await observer.wait_until_settled(seconds=FIRST_LIVE_SECONDS):
            raise RuntimeError(f"not live after the start: {'; '.join(observer.describe_dark())}")
        print(f"{await stage.stack.database.count_subscriptions()} instruments stream", flush=True)
        observer.begin_writes()
        chosen = choose_acts(options.acts)
        rounds = plan_each(chosen) if options.is_each else plan_rounds(chosen, seed=options.seed)
        until = time.monotonic() + (math.inf if options.is_each else options.minutes * 60)
        try:
            for number, acts in enumerate(rounds, start=1):
                if time.monotonic() > until or any(screen.ended for screen in observer.screens):
                    break
                await run_round(number, acts, observer, stage)
        finally:
            acts_table = observer.sightings.table() if observer.sightings is not None else []
            print(*acts_table, *observer.report.lines(), *_summary(options, observer), sep="\n", flush=True)
            for task in tasks:
                task.cancel()
    if not observer.has_result:
        print("Most samples were skipped: this run proves nothing. Repeat it on a machine with less load.", flush=True)
    return observer.has_result and not observer.report.first


def _summary(options: Options, observer: Observer) -> Sequence[str]:
    acknowledged = observer.ledger.acknowledged()
    slowest = max((one.ended_at - one.began_at for one in acknowledged), default=0.0)
    wire = observer.wire
    refusals = sum((trader.refusals for trader in observer.traders), Counter[str]())
    most = f"{wire.most_links} sockets, {wire.most_on_link:,} instruments on one, {wire.most_in_total:,} on all"
    return [
        f"{len(observer.report.first)} violations; seed {options.seed}; load {os.getloadavg()[0]:.1f}",
        f"{len(acknowledged):,} acknowledged writes of {len(observer.ledger.writes):,}, the slowest {slowest:.1f} s",
        f"other answers: {', '.join(f'{count} times {name}' for name, count in refusals.most_common()) or 'none'}",
        f"{observer.judged_values:,} values shown as live, {wire.packets:,} packets on {wire.opened} sockets",
        f"most at a time: {most}",
        f"{observer.samples:,} samples of pages; {observer.skipped:,} skipped, as the programs of this run had no CPU",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; keep the logs after a violation."""
    options = parse_options(arguments)
    home = Path(tempfile.mkdtemp(prefix="soak-", dir="/var/tmp"))
    # As root the servers run under another account, which must be able to pass through.
    home.chmod(0o711)
    print(f"seed {options.seed}, {options.minutes:g} minutes, {options.instruments} instruments", flush=True)
    is_clean = False
    try:
        is_clean = asyncio.run(run(options, home))
    finally:
        if is_clean:
            shutil.rmtree(home, ignore_errors=True)
        else:
            print(f"the logs are in {home} and {home}/checkout/.run/logs", flush=True)
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
