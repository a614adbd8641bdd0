"""Both servers of `make run`: their directories, their data, and servers named by the environment."""

import json
import os
import shutil
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from devstack import servers
from devstack.address import Address, check_is_free
from devstack.errors import DevstackError
from devstack.locking import single_run
from devstack.paths import Paths, prepare_paths
from devstack.port_registry import PortRegistry
from devstack.privileges import Account
from devstack.signal_waiter import SignalWaiter
from devstack.supervisor import Supervisor


@contextmanager
def running(
    paths: Paths, account: Account | None, *, environ: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    supervisor = Supervisor(signals=SignalWaiter(), report=print)
    try:
        yield servers.start(
            supervisor,
            paths=paths,
            account=account,
            ports=PortRegistry(paths.run / "ports.json"),
            environ=environ or {},
            database="broking_demo",
            max_connections=120,
        )
    finally:
        supervisor.stop_all()


@pytest.fixture
def closed_checkout(open_directory: Path, account: Account | None) -> Iterator[Paths]:
    """Return a checkout whose path has more than 150 characters, with blanks, below a directory closed to others."""
    closed = open_directory / "closed to others"
    closed.mkdir(mode=0o700)
    root = closed / ("long " * 20).strip() / ("longer-" * 8) / "checkout"
    root.mkdir(parents=True)
    paths = prepare_paths(root, account)
    yield paths
    shutil.rmtree(closed)
    shutil.rmtree(paths.home, ignore_errors=True)


def test_servers_run_and_keep_data_below_a_long_path_in_a_closed_directory(
    closed_checkout: Paths, account: Account | None
) -> None:
    assert len(str(closed_checkout.root)) > 150

    with running(closed_checkout, account) as urls, psycopg.connect(urls["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS value")
    again = prepare_paths(closed_checkout.root, account)
    with running(again, account) as urls, psycopg.connect(urls["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (42,)
        assert redis.Redis.from_url(urls["REDIS_URL"]).ping() is True


def test_an_external_home_is_linked_from_the_checkout(closed_checkout: Paths, account: Account | None) -> None:
    if account is None:
        assert closed_checkout.home == closed_checkout.run
    else:
        assert (closed_checkout.run / "servers").readlink() == closed_checkout.home
        assert closed_checkout.run not in closed_checkout.home.parents


def test_redis_requires_its_password_and_does_not_run_as_root(paths: Paths, account: Account | None) -> None:
    with running(paths, account, environ={"DATABASE_URL": "postgres://elsewhere/db"}) as urls:
        with redis.Redis.from_url(urls["REDIS_URL"]) as client:
            pid = client.info("server")["process_id"]
            port = client.connection_pool.connection_kwargs["port"]
        once = Retry(NoBackoff(), retries=0)
        with redis.Redis(port=port, retry=once) as other_program, pytest.raises(redis.AuthenticationError):
            other_program.ping()

        assert psutil.Process(pid).uids().effective == (account.uid if account else os.geteuid())


def test_files_with_secrets_are_readable_by_their_owner_only(paths: Paths, account: Account | None) -> None:
    with running(paths, account):
        kept = [paths.run / "redis-password", paths.home / "postgres-password", paths.home / "redis" / "redis.conf"]

        assert [stat.S_IMODE(path.stat().st_mode) for path in kept] == [0o600, 0o600, 0o600]
        assert stat.S_IMODE((paths.home / "postgres").stat().st_mode) == 0o700


def test_servers_named_by_the_environment_are_used_and_none_is_started(
    open_directory: Path, account: Account | None
) -> None:
    root = open_directory / "named"
    root.mkdir()
    named = {"DATABASE_URL": "postgres://user@elsewhere/db", "REDIS_URL": "redis://elsewhere/3"}

    with running(prepare_paths(root, account), account, environ=named) as urls:
        assert urls == named
        assert sorted(path.name for path in (root / ".run").iterdir()) == ["logs"]


def test_ports_stay_the_same_in_the_next_run_unless_they_are_occupied(tmp_path: Path) -> None:
    ports = PortRegistry(tmp_path / "ports.json")
    first, second = ports.port("first"), ports.port("second")

    with socket.socket() as other_program:
        other_program.bind(("127.0.0.1", second))
        other_program.listen()
        later = PortRegistry(tmp_path / "ports.json")

        assert later.port("first") == first
        assert later.port("second") != second


def test_ports_in_a_row_are_not_given_to_others(tmp_path: Path) -> None:
    first = PortRegistry(tmp_path / "ports.json").port("row", count=3)
    (tmp_path / "ports.json").write_text(json.dumps({"row": first, "other": first + 2}))
    ports = PortRegistry(tmp_path / "ports.json")

    assert ports.port("row", count=3) == first
    assert ports.port("other") not in range(first, first + 3)


def test_a_second_run_in_one_checkout_is_refused_with_the_process_id_of_the_first(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    first = rf"running already \(process {os.getpid()}\)"

    with single_run(lock), pytest.raises(DevstackError, match=first), single_run(lock):
        pass

    with single_run(lock):
        pass


def test_the_error_for_an_occupied_port_names_a_remedy() -> None:
    with socket.socket() as other_program:
        other_program.bind(("127.0.0.1", 0))
        other_program.listen()
        port = other_program.getsockname()[1]

        with pytest.raises(DevstackError, match=f"Port {port} .*make run PORT="):
            check_is_free(Address(host="127.0.0.1", port=port))
