"""Several web processes on one port under the supervisor: one that ends or freezes is replaced alone."""

import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from devstack.address import Address
from devstack.children import Child
from devstack.ports import choose_port
from devstack.probes import ask
from devstack.programs import Launcher, web, web_processes
from devstack.supervisor import Supervisor
from devstack.web_servers import web_servers
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
    """Two web processes on one port, by number, under a supervisor."""

    supervisor: Supervisor
    url: str
    children: dict[int, Child]

    def read(self, pattern: re.Pattern[str]) -> dict[str, float]:
        """Return what a scrape of the port says of each process."""
        return {process: float(value) for process, value in pattern.findall(ask(f"{self.url}/metrics").text)}

    def is_up(self, number: int) -> bool:
        """Return whether a scrape reaches that process."""
        return self.read(UP).get(str(number)) == 1

    def read_both(self, pattern: re.Pattern[str]) -> dict[str, float]:
        """Return the same once a scrape has both: one that gets no CPU time for a second is left out."""
        read: dict[str, float] = {}

        def is_whole() -> bool:
            read.update(found := self.read(pattern))
            return set(found) == {"1", "2"}

        self.wait(is_whole)
        return read

    def wait(self, condition: Callable[[], bool]) -> None:
        wait_supervised(self.supervisor, condition, seconds=START_SECONDS)


def listens_on(process: psutil.Process, port: int) -> bool:
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in process.net_connections())


@pytest.mark.usefixtures("own_board")
def test_workers_of_uvicorn_take_free_numbers(supervisor: Supervisor, tmp_path: Path) -> None:
    port, metrics_port = choose_port(), choose_port(count=2)
    variables = {"WEB_PROCESSES": "2", "WEB_CONCURRENCY": "2", "WEB_METRICS_PORT": str(metrics_port)}
    launcher = Launcher(root=REPOSITORY, logs=tmp_path, environment={**server_environment(), **variables})
    # As in a container: without a supervisor of ours.
    program = replace(web(launcher, host="127.0.0.1", port=port), heartbeat_seconds=None)
    pair = Pair(supervisor, f"http://127.0.0.1:{port}", {})
    parent = supervisor.supervise(program)
    pair.wait(lambda: pair.is_up(1) and pair.is_up(2))
    started = pair.read_both(STARTED)

    workers = psutil.Process(parent.pid).children()
    next(one for one in workers if listens_on(one, metrics_port + 1)).kill()

    pair.wait(lambda: pair.is_up(2) and pair.read(STARTED).get("2", started["2"]) != started["2"])
    assert pair.read_both(STARTED)["1"] == started["1"]


@pytest.fixture(params=["uvicorn", "daphne"])
def pair(request: pytest.FixtureRequest, supervisor: Supervisor, own_board: str, tmp_path: Path) -> Iterator[Pair]:
    environment = {**server_environment(), "ASGI_SERVER": request.param}
    launcher = Launcher(root=REPOSITORY, logs=tmp_path, environment=environment)
    with web_servers(Address("127.0.0.1", choose_port()), 2) as web:
        assert web.listener is not None
        programs = web_processes(launcher, count=2, listener=web.listener.fileno(), metrics_port=choose_port(count=2))
        children = [supervisor.supervise(program) for program in programs]
        started = Pair(supervisor, web.address.url, dict(enumerate(children, start=1)))
        started.wait(lambda: started.is_up(1) and started.is_up(2))
        yield started


def test_one_scrape_has_the_metrics_of_both_and_no_counter_goes_backwards(pair: Pair) -> None:
    before: dict[str, float] = {}
    for _ in range(20):
        assert ask(f"{pair.url}/login/").status == 200
        now = pair.read(REQUESTS)
        assert all(now.get(process, count) >= count for process, count in before.items())
        before |= now

    pair.wait(lambda: sum(pair.read(REQUESTS).values()) == 20)
    assert set(pair.read_both(STARTED)) == {"1", "2"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_ends_or_freezes_is_replaced_alone_while_the_other_answers(
    pair: Pair, reports: list[str], number: signal.Signals
) -> None:
    # The first heartbeat of daphne follows its first request: both must have answered before the freeze.
    pair.wait(lambda: ask(f"{pair.url}/login/").status == 200 and set(pair.read(REQUESTS)) == {"1", "2"})
    started = pair.read_both(STARTED)
    victim = psutil.Process(pair.children[2].pid)
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
    assert [line.partition(" ")[0] for line in reports] == ["web-2"] * (1 + (number == signal.SIGSTOP))
