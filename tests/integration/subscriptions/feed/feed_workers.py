"""Start feed workers as real processes, make subscriptions for them, and read the state at the broker and the board.

A worker runs `celery worker -Q feed --pool solo` on the test database and the Redis prefix of the test, with its log
in a file. Subscriptions are inserted without claims, spread over the five connections as by placement.
"""

import csv
import io
import json
import os
import signal
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connections

from marketdata import quote_board
from marketdata.domain.feed import ConnectionReport
from marketdata.domain.instruments import Exchange, ExchangeSegment, InstrumentType
from marketdata.domain.quotes import Mode
from marketdata.models import Instrument
from subscriptions.domain.claims import Tier
from subscriptions.models import Subscription
from tests.processes import PythonProcess
from tests.simulators import SimulatorAddress
from tests.waiting import wait_until

NOW = datetime(2026, 11, 20, 4, 30, tzinfo=UTC)
START_SECONDS = 60.0
"""chosen: a worker imports Django and Celery, which is slow on a busy machine."""
STOP_SECONDS = 10.0
CONNECTIONS = 5


@dataclass(frozen=True, slots=True)
class Worker:
    """A running Celery worker."""

    process: PythonProcess
    log: Path

    def kill(self) -> None:
        """Kill the process with SIGKILL, as the kernel does when memory runs out."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def stop(self) -> int:
        """Ask for a warm shutdown and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)


def database_url(*, database: str | None = None) -> str:
    """Return the address of the test database, or of another one in the same cluster."""
    own = connections["default"].settings_dict
    user = f"{quote(own['USER'])}:{quote(own['PASSWORD'])}"
    return f"postgres://{user}@{quote(own['HOST'], safe='')}:{own['PORT']}/{database or own['NAME']}"


SET_BY_WEB = frozenset({"DATABASE_PATIENCE_MS", "DATABASE_POOL"})
"""`terminal.asgi` sets these for its process, and some tests import it in theirs."""


def server_environment() -> Mapping[str, str]:
    """Return the environment of a process of the stack, on the servers that Django uses here."""
    return {name: value for name, value in os.environ.items() if name not in SET_BY_WEB} | {
        "DATABASE_URL": database_url(),
        "REDIS_URL": settings.REDIS_URL,
        "REDIS_PREFIX": settings.REDIS_PREFIX,
    }


def worker_environment(simulator: SimulatorAddress) -> Mapping[str, str]:
    """Return the environment of a worker whose broker is `simulator`."""
    return {
        **server_environment(),
        "DHAN_FEED_URL": simulator.feed_url,
        "DHAN_REST_URL": simulator.rest_url,
        "DHAN_CLIENT_ID": simulator.client_id,
        "DHAN_ACCESS_TOKEN": simulator.access_token,
        "DHAN_OPEN_INTERVAL_MS": "0",
        "DHAN_MESSAGE_INTERVAL_MS": "0",
    }


@contextmanager
def running_worker(
    directory: Path,
    *,
    name: str,
    simulator: SimulatorAddress,
    queue: str = "feed",
    log_level: str = "INFO",
    **variables: str,
) -> Iterator[Worker]:
    """Yield a worker on the test database and the test's Redis prefix; kill it on exit if it still runs."""
    log = directory / f"{name}.log"
    process = PythonProcess(
        "celery",
        worker_arguments(name, queue=queue, log_level=log_level),
        environment={**worker_environment(simulator), **variables},
        output=log,
    )
    try:
        yield Worker(process, log)
    finally:
        process.kill()
        process.wait(STOP_SECONDS)


def worker_arguments(name: str, *, queue: str = "feed", log_level: str = "INFO") -> Sequence[str]:
    """Return the arguments of `celery` for a worker."""
    command = ["-A", "terminal", "worker", "-Q", queue, "--pool", "solo", "--without-gossip", "--without-mingle"]
    return [*command, "--loglevel", log_level, "-n", f"{name}@%h"]


def make_subscriptions(simulator: SimulatorAddress, *, count: int, skip: int = 0) -> Sequence[Subscription]:
    """Insert subscriptions of `count` NSE options of the simulator, in turn on each connection."""
    with urllib.request.urlopen(simulator.instruments_url, timeout=10) as answer:  # noqa: S310  a loopback address
        rows = csv.DictReader(io.TextIOWrapper(answer, encoding="utf-8"))
        ids = [
            row["SEM_SMST_SECURITY_ID"] for row in rows if (row["SEM_EXM_EXCH_ID"], row["SEM_SEGMENT"]) == ("NSE", "D")
        ]
    instruments = Instrument.objects.bulk_create(
        [
            Instrument(
                exchange_segment=ExchangeSegment.NSE_FNO,
                security_id=int(security_id),
                exchange=Exchange.NSE,
                instrument_type=InstrumentType.OPTIDX,
                underlying_symbol="NIFTY",
                token=f"TEST_{security_id}",
                lot_size=1,
                tick_size=Decimal("0.05"),
                first_seen_at=NOW,
                last_changed_at=NOW,
            )
            for security_id in ids[skip : skip + count]
        ]
    )
    assert len(instruments) == count
    return Subscription.objects.bulk_create(
        [
            Subscription(
                instrument=instrument, connection_id=1 + number % CONNECTIONS, tier=Tier.A, mode=Mode.FULL, since=NOW
            )
            for number, instrument in enumerate(instruments)
        ]
    )


def list_reports() -> Sequence[ConnectionReport]:
    """Return the reports on the board."""
    return quote_board.connect().list_reports()


def is_streaming(count: int, *, but_not: Sequence[str] = ()) -> bool:
    """Return whether all five connections are live, none has an owner in `but_not`, and `count` instruments stream."""
    now = list_reports()
    return (
        [one.connection for one in now] == [1, 2, 3, 4, 5]
        and all(one.state == "live" and one.owner not in but_not for one in now)
        and sum(one.streaming for one in now) == sum(one.sent for one in now) == count
    )


def wait_until_streaming(count: int, *, seconds: float = START_SECONDS, but_not: Sequence[str] = ()) -> float:
    """Wait until `is_streaming`; return the seconds that it took."""
    return wait_until(
        lambda: is_streaming(count, but_not=but_not), seconds=seconds, message=f"{count} instruments streaming"
    )


def list_subscribed_keys(simulator: SimulatorAddress) -> Sequence[str]:
    """Return the keys that are subscribed at the simulator on any socket."""
    with urllib.request.urlopen(f"{simulator.control_url}/subscribed", timeout=10) as answer:  # noqa: S310  loopback
        keys: list[str] = json.load(answer)
    return sorted(keys)


def count_broker_sockets(simulator: SimulatorAddress) -> int:
    """Return the number of open sockets at the simulator."""
    return len(_read_connections(simulator)["connections"])


def count_opened_sockets(simulator: SimulatorAddress) -> int:
    """Return the number of sockets that the simulator has accepted since its start."""
    return int(_read_connections(simulator)["opened"])


def _read_connections(simulator: SimulatorAddress) -> dict[str, Any]:
    with urllib.request.urlopen(f"{simulator.control_url}/connections", timeout=10) as answer:  # noqa: S310  loopback
        found: dict[str, Any] = json.load(answer)
    return found


def list_wanted_keys() -> Sequence[str]:
    """Return the keys of all subscriptions."""
    return sorted(str(one.instrument.key) for one in Subscription.objects.select_related("instrument"))
