"""R3: an owner without PostgreSQL learns of its replacement through Redis; without both it closes its sockets."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connections

from subscriptions.models import FeedLease
from tests.faults.connections import count_disconnects, errors, states, wait_without_opening
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    count_broker_sockets,
    database_url,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
    worker_arguments,
    worker_environment,
)
from tests.processes import REPOSITORY
from tests.proxies import Proxy, running_proxy
from tests.simulators import SimulatorAddress, running_simulator
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board", "settled_database")]

COUNT = 40
FROZEN_SECONDS = 4
# Scaled; the product waits 45 s.
SCALED = {"FROZEN_OWNER_S": str(FROZEN_SECONDS), "FAILOVER_GRACE_S": "60"}


ELSEWHERE = ["unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh"]


def can_be_elsewhere() -> bool:
    """Return whether a process can run under another host name than this one."""
    return shutil.which("unshare") is not None and subprocess.run([*ELSEWHERE, "true"], check=False).returncode == 0


@contextmanager
def running_elsewhere(log: Path, *, simulator: SimulatorAddress) -> Iterator[Path]:
    """Run a feed worker under another host name; yield its log."""
    command = [*ELSEWHERE, sys.executable, "-m", "celery", *worker_arguments("spare")]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**worker_environment(simulator), **SCALED},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield log
    finally:
        process.kill()
        process.wait()


def database_through(proxy: Proxy) -> str:
    port = connections["default"].settings_dict["PORT"]
    return database_url().replace(f":{port}/", f":{proxy.port}/")


def database_proxy() -> AbstractContextManager[Proxy]:
    return running_proxy(int(connections["default"].settings_dict["PORT"]))


@pytest.mark.parametrize("lose", [Proxy.cut, Proxy.hold], ids=["refused", "not answered"])
def test_r3_an_owner_without_postgres_learns_of_its_successor_from_redis(
    tmp_path: Path, lose: Callable[[Proxy], None]
) -> None:
    with running_simulator(rate=2_000) as simulator, database_proxy() as proxy:
        make_subscriptions(simulator, count=COUNT)
        through = {"DATABASE_URL": database_through(proxy)} | SCALED
        with running_worker(tmp_path, name="cut", simulator=simulator, **through) as cut:
            wait_until_streaming(COUNT)
            former = FeedLease.objects.values_list("owner", flat=True).distinct().get()
            with running_worker(tmp_path, name="spare", simulator=simulator, **SCALED) as spare:
                wait_until(
                    lambda: b" ready." in spare.log.read_bytes(),
                    seconds=START_SECONDS,
                    message="both workers are ready",
                )
                lose(proxy)

                wait_until_streaming(COUNT, but_not=[former])

                assert count_broker_sockets(simulator) == 5
                assert simulator.connections()["high_water"] == 5
                assert b"another owner has this connection" in cut.log.read_bytes()
                assert cut.process.poll() is None


@pytest.mark.skipif(not can_be_elsewhere(), reason="another host name needs the right to unshare")
def test_r3_a_successor_on_another_host_opens_after_the_former_owner_learned_of_it(tmp_path: Path) -> None:
    with running_simulator(rate=2_000) as simulator, database_proxy() as proxy:
        make_subscriptions(simulator, count=COUNT)
        through = {"DATABASE_URL": database_through(proxy)} | SCALED
        with running_worker(tmp_path, name="cut", simulator=simulator, **through) as cut:
            wait_until_streaming(COUNT)
            former = FeedLease.objects.values_list("owner", flat=True).distinct().get()
            with running_elsewhere(tmp_path / "spare.log", simulator=simulator) as log:
                wait_until(
                    lambda: b" ready." in log.read_bytes(),
                    seconds=START_SECONDS,
                    message="both workers are ready",
                )

                proxy.cut()

                wait_until_streaming(COUNT, seconds=10, but_not=[former])
                assert simulator.connections()["high_water"] == 5
                assert b"another owner has this connection" in cut.log.read_bytes()


def test_r3_an_owner_without_postgres_and_redis_closes_its_sockets_before_a_takeover(tmp_path: Path) -> None:
    redis_port = urlsplit(settings.REDIS_URL).port
    assert redis_port is not None
    with (
        running_simulator(rate=2_000) as simulator,
        database_proxy() as proxy,
        running_proxy(redis_port) as board,
    ):
        make_subscriptions(simulator, count=COUNT)
        through = {
            "DATABASE_URL": database_through(proxy),
            "REDIS_URL": settings.REDIS_URL.replace(f":{redis_port}", f":{board.port}"),
        }
        with running_worker(tmp_path, name="alone", simulator=simulator, **through, **SCALED):
            wait_until_streaming(COUNT)

            proxy.cut()
            wait_without_opening(simulator, seconds=FROZEN_SECONDS + 3)
            assert count_broker_sockets(simulator) == 5  # Without PostgreSQL alone it continues to stream.

            board.cut()
            wait_until(
                lambda: count_broker_sockets(simulator) == 0,
                seconds=8,
                message="the unreachable owner closes its sockets",
            )

            board.restore()
            wait_until(
                lambda: count_broker_sockets(simulator) == 5,
                seconds=20,
                message="the reachable owner opens its sockets again",
            )
            wait_until(lambda: count_disconnects("fenced") == 5, seconds=5, message="it reports that it was fenced")
            proxy.restore()
            wait_until(
                lambda: errors() == {""} and states() == ["live"] * 5,
                seconds=20,
                message="all connections are live without errors",
            )
            wait_until_streaming(COUNT)
