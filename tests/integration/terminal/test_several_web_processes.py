"""Several web processes on one port under the supervisor: one that ends or freezes is replaced alone."""

import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest
import redis
from django.db import connection
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from devstack.address import Address
from devstack.ports import choose_port
from devstack.probes import ask
from devstack.programs import Launcher, web, web_processes
from devstack.signal_waiter import SignalWaiter
from devstack.supervisor import Supervisor
from devstack.web_servers import web_servers
from tests.conftest import unique_prefix
from tests.database import restore_seeds
from tests.integration.subscriptions.feed.feed_workers import server_environment
from tests.own_servers import REPOSITORY
from tests.supervisors import wait_supervised
from tests.waiting import wait_until

START_SECONDS = 90.0
UP = re.compile(r'terminal_web_up\{process="(\d)"\} (\d)')
STARTED = re.compile(r'process_start_time_seconds\{process="(\d)"\} (\S+)')
REQUESTS = re.compile(r'terminal_web_requests_total\{method="GET",process="(\d)",route="login/",status="200"\} (\d+)')

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two web processes on one port under a supervisor; the one with number n listens at `metrics_port` + n - 1 too."""

    supervisor: Supervisor
    url: str
    metrics_port: int
    reports: list[str] = field(default_factory=list)

    def find(self, number: int) -> psutil.Process:
        """Return the process that has this number now."""
        port = self.metrics_port + number - 1
        below = psutil.Process().children(recursive=True)
        return next(one for one in below if "terminal.asgi:application" in one.cmdline() and listens_on(one, port))

    def read(self, pattern: re.Pattern[str]) -> dict[str, float]:
        """Return what a scrape of the port says of each process."""
        return read(pattern, ask(f"{self.url}/metrics").text)

    def is_up(self, number: int) -> bool:
        """Return whether a scrape reaches that process."""
        return self.read(UP).get(str(number)) == 1

    def read_both(self, pattern: re.Pattern[str]) -> dict[str, float]:
        """Return the same of a scrape that reaches both: one that gets no CPU time for a second is left out."""
        scrapes: list[str] = []

        def is_whole() -> bool:
            scrapes.append(ask(f"{self.url}/metrics").text)
            return read(UP, scrapes[-1]) == {"1": 1, "2": 1}

        self.wait(is_whole)
        return read(pattern, scrapes[-1])

    def wait(self, condition: Callable[[], bool]) -> None:
        wait_supervised(self.supervisor, condition, seconds=START_SECONDS)


def read(pattern: re.Pattern[str], scrape: str) -> dict[str, float]:
    """Return the value of each process."""
    return {process: float(value) for process, value in pattern.findall(scrape)}


def listens_on(process: psutil.Process, port: int) -> bool:
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in process.net_connections())


@pytest.mark.usefixtures("own_board")
def test_workers_of_uvicorn_take_free_numbers(supervisor: Supervisor, tmp_path: Path) -> None:
    port, metrics_port = choose_port(), choose_port(count=2)
    variables = {"WEB_PROCESSES": "2", "WEB_CONCURRENCY": "2", "WEB_METRICS_PORT": str(metrics_port)}
    launcher = Launcher(root=REPOSITORY, logs=tmp_path, environment={**server_environment(), **variables})
    # As in a container: without a supervisor of ours.
    program = replace(web(launcher, host="127.0.0.1", port=port), heartbeat_seconds=None)
    pair = Pair(supervisor, f"http://127.0.0.1:{port}", metrics_port)
    parent = supervisor.supervise(program)
    pair.wait(lambda: pair.is_up(1) and pair.is_up(2))
    started = pair.read_both(STARTED)

    workers = psutil.Process(parent.pid).children()
    next(one for one in workers if listens_on(one, metrics_port + 1)).kill()

    pair.wait(lambda: pair.is_up(2) and pair.read(STARTED).get("2", started["2"]) != started["2"])
    assert pair.read_both(STARTED)["1"] == started["1"]


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def pair(
    request: pytest.FixtureRequest,
    suite_redis: redis.Redis,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pair]:
    """Yield the pair of several tests: both processes take seconds of CPU time to start."""
    with ExitStack() as pieces:
        prefix = pieces.enter_context(unique_prefix(suite_redis))
        pieces.enter_context(override_settings(REDIS_PREFIX=prefix))
        web = pieces.enter_context(web_servers(Address("127.0.0.1", choose_port()), 2))
        assert web.listener is not None
        with django_db_blocker.unblock():
            restore_seeds()
            connection.close()
        environment = {**server_environment(), "ASGI_SERVER": request.param}
        launcher = Launcher(root=REPOSITORY, logs=tmp_path_factory.mktemp("pair"), environment=environment)
        reports: list[str] = []
        supervisor = Supervisor(signals=SignalWaiter(), report=reports.append)
        pieces.callback(supervisor.stop_all)
        started = Pair(supervisor, web.address.url, choose_port(count=2), reports)
        for program in web_processes(
            launcher, count=2, listener=web.listener.fileno(), metrics_port=started.metrics_port
        ):
            supervisor.supervise(program)
        started.wait(lambda: started.is_up(1) and started.is_up(2))
        yield started


def test_one_scrape_has_the_metrics_of_both_and_no_counter_goes_backwards(pair: Pair) -> None:
    earlier = sum(pair.read_both(REQUESTS).values())
    before: dict[str, float] = {}
    for _ in range(20):
        assert ask(f"{pair.url}/login/").status == 200
        now = pair.read(REQUESTS)
        assert all(now.get(process, count) >= count for process, count in before.items())
        before |= now

    pair.wait(lambda: sum(pair.read(REQUESTS).values()) == earlier + 20)
    assert set(pair.read_both(STARTED)) == {"1", "2"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_ends_or_freezes_is_replaced_alone_while_the_other_answers(
    pair: Pair, number: signal.Signals
) -> None:
    pair.reports.clear()
    # The first heartbeat of daphne follows its first request: both must have answered before the freeze.
    pair.wait(lambda: ask(f"{pair.url}/login/").status == 200 and set(pair.read(REQUESTS)) == {"1", "2"})
    started = pair.read_both(STARTED)
    victim = pair.find(2)
    victim.send_signal(number)
    # A request that it accepts just before it ends is lost.
    wait_until(lambda: victim.status() in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}, message="the signal acts")

    statuses, healths = set(), []

    def is_replaced() -> bool:
        with urllib.request.urlopen(f"{pair.url}/login/", timeout=START_SECONDS) as answer:  # noqa: S310  loopback
            statuses.add(answer.status)
        healths.append(ask(f"{pair.url}/health").text)
        return pair.read(STARTED).get("2", started["2"]) != started["2"]

    # In a separate thread: the heartbeats of a supervisor that is held up itself prove nothing.
    with ThreadPoolExecutor(max_workers=1) as pool:
        seen = pool.submit(wait_until, is_replaced, seconds=START_SECONDS, message="web process 2 is replaced")
        pair.wait(seen.done)
        seen.result()

    assert statuses == {200}
    assert any("no answer of web process 2: ended, frozen or starting" in text for text in healths)
    assert pair.read_both(STARTED)["1"] == started["1"]
    assert [line.partition(" ")[0] for line in pair.reports] == ["web-2"] * (1 + (number == signal.SIGSTOP))
