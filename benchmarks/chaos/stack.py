"""`python -m benchmarks.chaos.stack ROOT`: the stack of `make run`, with its data in a directory of its own.

ROOT holds links to the checkout: the supervisor works there, so a `make run` of the checkout is not disturbed.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import psutil
import psycopg

from benchmarks.chaos.database import Database
from devstack import stack
from devstack.children import die_with_parent
from devstack.paths import prepare_paths
from devstack.ports import choose_port
from devstack.privileges import server_account
from devstack.secret_files import load_or_create_secret
from devstack.source import SIMULATED_CLIENT_ID, choose_source
from simulator.demo_listing import Size, make_listing
from simulator.instrument_files import detailed_lines

REPOSITORY: Final = Path(__file__).resolve().parents[2]
NOT_LINKED: Final = frozenset((".run", ".git"))
START_SECONDS: Final = 300.0  # chosen: the first start makes a cluster and imports the list, on a loaded machine
STOP_SECONDS: Final = 20.0  # above the stages of the supervisor together (devstack/children.py)
# The servers of `devstack exec` are not those of the run, and a real account must never be used.
NOT_INHERITED: Final = ("DATABASE_URL", "REDIS_URL", "MARKET_DATE", "DHAN_", "SIMULATOR_")  # beginnings of names
# What identifies a process of the supervisor: a part of its command line.
MARKS: Final[Mapping[str, str]] = {
    "feed": "-Q feed",
    "work": "-Q default",
    "beat": "terminal beat",
    "web": "terminal.asgi",
    "redis": "redis-server",
    "postgres": "postgres -D",
    "simulator": "-m simulator",
}

# The processes that a price passes on its way to a browser.
SERVING: Final = ("simulator", "feed", "redis", "web")


@dataclass(frozen=True, slots=True)
class Stack:
    """The running stack."""

    web: str
    """`http://host:port`."""
    control: str
    """`http://host:port/_sim` of the simulator."""
    client_id: str
    password: str
    """Of the demo users."""
    database: Database
    output: Path
    """What the supervisor prints."""
    process: asyncio.subprocess.Process

    def find(self, name: str) -> psutil.Process | None:
        """Return the process of the supervisor called `name`; None while it is not running."""
        for child in psutil.Process(self.process.pid).children():
            command = " ".join(child.cmdline())
            if MARKS[name] in command:
                return child
        return None

    def list_serving(self) -> Sequence[int]:
        """Return the ids of the processes that a price passes."""
        found = [self.find(name) for name in SERVING]
        return [one.pid for one in found if one is not None]


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of this machine that the run uses."""

    web: int
    relay: int
    simulator_feed: int
    simulator_rest: int
    postgres: int


def choose_ports() -> Ports:
    """Return free ports."""
    chosen: list[int] = []
    while len(chosen) < len(Ports.__slots__):
        chosen.append(choose_port(taken=frozenset(chosen)))
    return Ports(*chosen)


def make_root(home: Path) -> Path:
    """Return a directory with links to everything in the checkout but its data."""
    root = home / "checkout"
    root.mkdir(mode=0o755)
    for entry in REPOSITORY.iterdir():
        if entry.name not in NOT_LINKED:
            (root / entry.name).symlink_to(entry)
    return root


def write_small_master(path: Path, *, today: date) -> Path:
    """Write the instrument file of the simulator's small listing."""
    path.write_text("\n".join(detailed_lines(make_listing(today, size=Size.SMALL))))
    return path


@asynccontextmanager
async def running_stack(root: Path, ports: Ports, *, variables: Mapping[str, str]) -> AsyncIterator[Stack]:
    """Yield the stack after its start; it is stopped at the end."""
    paths = prepare_paths(root, server_account(euid=os.geteuid()))
    remembered = {"simulator-feed": ports.simulator_feed, "simulator-rest": ports.simulator_rest}
    (paths.run / "ports.json").write_text(json.dumps(remembered | {"postgres": ports.postgres}))
    password = load_or_create_secret(paths.run / "soak-password")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    environment |= {"PORT": str(ports.web), "DEMO_PASSWORD": password, **variables}
    environment["SIMULATOR_FEED_URL"] = f"ws://127.0.0.1:{ports.relay}"
    # Beside the logs, which the supervisor renames at its start.
    output = root.parent / "stack.log"
    with output.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.chaos.stack", str(root)),
            env=environment,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
    source = choose_source(environment)
    server_password = load_or_create_secret(paths.home / "postgres-password")
    database = Database(f"postgres://terminal:{server_password}@127.0.0.1:{ports.postgres}/{source.database}")
    control = f"http://127.0.0.1:{ports.simulator_rest}/_sim"
    try:
        yield Stack(f"http://127.0.0.1:{ports.web}", control, SIMULATED_CLIENT_ID, password, database, output, process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                process.kill()  # Its children die with it.
                await process.wait()


async def wait_until_ready(running: Stack) -> None:
    """Wait until the supervisor has printed `Ready`. Raises RuntimeError with the end of its output."""
    async with asyncio.timeout(START_SECONDS):
        while "\nReady " not in (text := running.output.read_text()):
            if running.process.returncode is not None:
                raise RuntimeError(f"the stack did not start:\n{text[-2_000:]}")
            await asyncio.sleep(0.2)


async def wait_for_tables(running: Stack) -> None:
    """Wait until the tables are migrated."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            with suppress(psycopg.Error):  # The server is not up yet.
                if await running.database.is_migrated():
                    return
            await asyncio.sleep(0.2)


def main(arguments: list[str]) -> int:
    """Run the stack in the directory named by the only argument."""
    root = Path(arguments[0])
    paths = prepare_paths(root, server_account(euid=os.geteuid()))
    return stack.run(paths=paths, account=server_account(euid=os.geteuid()), environ=os.environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
