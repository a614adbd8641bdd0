"""Faults that heal themselves leave no ERROR line and no traceback in any log; a refused token does."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import connection
from django_celery_beat.models import IntervalSchedule

from devstack.programs import WORKER
from tests.browsers import watching_browser
from tests.factories import make_equities
from tests.faults.markets import COUNT, Market, running_market
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    running_worker,
    wait_until_streaming,
    worker_environment,
)
from tests.own_servers import OwnServers
from tests.processes import PythonProcess
from tests.simulators import SimulatorAddress
from tests.waiting import wait_until

ADD = "/api/v2/watchlist/add"
PROBLEM = re.compile(r"^.*( ERROR | CRITICAL |\[ERROR|\[CRITICAL|ERROR:|CRITICAL:).*$|^Traceback", re.MULTILINE)
"""Lines of our format, of Celery's and of uvicorn's, and a traceback wherever it was written."""


def list_problems(directory: Path) -> list[str]:
    """Return the lines of all logs that call for a person, with their log."""
    return [f"{log.name}: {one[0]}" for log in directory.glob("*.log") for one in PROBLEM.finditer(log.read_text())]


@contextmanager
def running_celery(
    directory: Path, simulator: SimulatorAddress, name: str, arguments: list[str]
) -> Iterator[tuple[Path, int]]:
    """Run a Celery program as `make run` does; yield its log and its process id."""
    log = directory / f"{name}.log"
    process = PythonProcess("celery", arguments, environment=worker_environment(simulator), output=log)
    try:
        yield log, process.pid
    finally:
        process.terminate()
        with suppress(TimeoutError):
            process.wait(10)
        process.kill()


def has_line(log: Path, text: str) -> bool:
    return text in log.read_text()


def count_done(log: Path) -> int:
    return log.read_text().count("succeeded in")


def write_and_watch(market: Market, number: int) -> None:
    """Add a share and open a page, whatever they are answered while a server is away."""
    market.ask(ADD, {"symbol": f"STOCK{number}", "instrument_type": "EQUITY"})
    with suppress(OSError, AssertionError, EOFError), watching_browser(market.web, market.cookie, market.watched[:1]):
        market.ask("/health")


def wait_for_recovery(market: Market, work: Path) -> None:
    """Wait until prices, writes and periodic tasks are back."""
    done = count_done(work)
    market.wait_for_ticks(seconds=30)
    wait_until_streaming(COUNT, seconds=30)
    wait_until(lambda: count_done(work) > done, seconds=40, message="a periodic task is done")


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
        running_celery(tmp_path, market.simulator, "work", work_arguments) as (work, work_pid),
        running_celery(tmp_path, market.simulator, "beat", beat_arguments) as (beat, _),
    ):
        wait_until(lambda: has_line(work, " ready."), seconds=START_SECONDS, message="the work worker is ready")
        wait_until(lambda: has_line(beat, "Sending due task"), seconds=START_SECONDS, message="beat sends tasks")
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

        kill_pool_processes(work_pid)
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
