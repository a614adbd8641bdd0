"""Faults that heal themselves leave no ERROR line and no traceback in any log; a refused token does."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.db import connection
from django_celery_beat.models import IntervalSchedule
from websockets.exceptions import WebSocketException

from devstack.programs import WORKER
from tests.browsers import watching_browser
from tests.factories import make_equities
from tests.faults.markets import COUNT, Market, running_market
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    list_reports,
    running_worker,
    worker_environment,
)
from tests.own_servers import OwnServers
from tests.processes import PythonProcess
from tests.simulators import SimulatorAddress
from tests.waiting import wait_until

ADD = "/api/v2/watchlist/add"
PROBLEM = re.compile(r"^.*( ERROR | CRITICAL |\[ERROR|\[CRITICAL|ERROR:|CRITICAL:).*$|^Traceback", re.MULTILINE)
"""Lines of our format, of Celery's and of uvicorn's, and a traceback wherever it was written."""

REFUSALS = (OSError, AssertionError, EOFError, WebSocketException)
"""What a page meets while a server is away."""


def list_problems(directory: Path) -> list[str]:
    """Return the lines of all logs that call for a person, with their log."""
    return [f"{log.name}: {one[0]}" for log in directory.glob("*.log") for one in PROBLEM.finditer(log.read_text())]


@dataclass
class Program:
    """A Celery program as `make run` starts it, which is started again when it has ended; each start has a log."""

    directory: Path
    simulator: SimulatorAddress
    name: str
    arguments: list[str]
    processes: list[PythonProcess] = field(default_factory=list)

    def keep_running(self) -> None:
        """Start the program unless it runs."""
        if not self.processes or self.processes[-1].poll() is not None:
            environment, log = worker_environment(self.simulator), self._log(len(self.processes))
            self.processes.append(PythonProcess("celery", self.arguments, environment=environment, output=log))

    def text(self) -> str:
        return "".join(self._log(number).read_text() for number in range(len(self.processes)))

    def count_done(self) -> int:
        """Return the number of tasks that were done."""
        return self.text().count("succeeded in")

    def stop(self) -> None:
        process = self.processes[-1]
        process.terminate()
        with suppress(TimeoutError):
            process.wait(10)
        process.kill()

    def _log(self, number: int) -> Path:
        return self.directory / f"{self.name}-{number}.log"


@contextmanager
def running_celery(directory: Path, simulator: SimulatorAddress, name: str, arguments: list[str]) -> Iterator[Program]:
    """Yield a program that runs; stop it on exit."""
    program = Program(directory, simulator, name, arguments)
    program.keep_running()
    try:
        yield program
    finally:
        program.stop()


def write_and_watch(market: Market, number: int) -> None:
    """Add a share and open a page, whatever they are answered while a server is away."""
    market.ask(ADD, {"symbol": f"STOCK{number}", "instrument_type": "EQUITY"})
    with suppress(*REFUSALS), watching_browser(market.web, market.cookie, market.watched[:1]):
        market.ask("/health")


def wait_for_recovery(market: Market, work: Program) -> None:
    """Wait until prices, writes and periodic tasks are back."""
    done = work.count_done()

    def does_tasks() -> bool:
        work.keep_running()
        return work.count_done() > done

    market.wait_for_ticks(seconds=30)
    wait_until(is_live, seconds=30, message="all connections are live and stream")
    wait_until(does_tasks, seconds=40, message="a periodic task is done")


def is_live() -> bool:
    """Return whether all connections are live; shares that were added need not stream, as the broker lacks them."""
    now = list_reports()
    return [one.state for one in now] == ["live"] * 5 and sum(one.streaming for one in now) >= COUNT


def kill_pool_processes(work_pid: int) -> None:
    """Kill the pool processes of the work worker, as the kernel does when memory runs out."""
    for child in Path(f"/proc/{work_pid}/task/{work_pid}/children").read_text().split():
        with suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)


def test_restarts_that_heal_themselves_log_no_error_and_no_traceback(servers: OwnServers, tmp_path: Path) -> None:
    make_equities(10)
    # Periodic tasks each second instead of each ten seconds: the outages are short.
    IntervalSchedule.objects.filter(period=IntervalSchedule.SECONDS).update(every=1)
    work_arguments = [*WORKER[1:], "-Q", "default", "-c", "2", "-n", "work@%h"]
    beat_arguments = ["-A", "terminal", "beat", "--pidfile=", "--loglevel", "INFO"]
    with (
        running_market(tmp_path) as market,
        running_celery(tmp_path, market.simulator, "work", work_arguments) as work,
        running_celery(tmp_path, market.simulator, "beat", beat_arguments) as beat,
    ):
        wait_until(lambda: " ready." in work.text(), seconds=START_SECONDS, message="the work worker is ready")
        wait_until(lambda: "Sending due task" in beat.text(), seconds=START_SECONDS, message="beat sends tasks")
        wait_for_recovery(market, work)

        servers.kill_redis()
        write_and_watch(market, 1)
        servers.start_redis()
        wait_for_recovery(market, work)

        for number, how in enumerate((signal.SIGINT, signal.SIGQUIT), start=2):
            connection.close()
            servers.stop_postgres(how)
            write_and_watch(market, number)
            servers.start_postgres()
            wait_for_recovery(market, work)

        kill_pool_processes(work.processes[-1].pid)
        market.feed.kill()
        with running_worker(tmp_path, name="feed2", simulator=market.simulator):
            wait_for_recovery(market, work)
            assert list_problems(tmp_path) == []


def test_a_refused_token_that_nobody_renews_is_an_error(servers: OwnServers, tmp_path: Path) -> None:
    with running_market(tmp_path) as market:
        market.simulator.set_fault("disconnect_code", 809)

        wait_until(
            lambda: any("enter a new one in the admin" in line for line in list_problems(tmp_path)),
            seconds=20,
            message="an ERROR line asks for a new token",
        )
        assert not any("Traceback" in line for line in list_problems(tmp_path))
