"""Separate PostgreSQL and Redis servers for one test, which may kill, freeze, slow and restart them.

The suite's servers serve other tests at the same time. A cluster with our tables is made once (`make_template`)
and copied for each test; Django, in this process and in those that the test starts, connects to the copy.
"""

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from celery import Celery
from django.conf import settings
from django.db import connections

from devstack.binaries import find_postgres, find_redis
from devstack.children import Child, start
from devstack.paths import Paths
from devstack.ports import choose_port
from devstack.postgres import PostgresServer, create_cluster, ensure_database
from devstack.postgres import is_ready as is_postgres_ready
from devstack.privileges import Account, give_to
from devstack.redis import RedisServer, write_configuration
from devstack.redis import is_ready as is_redis_ready
from tests.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parent.parent
PASSWORD = "only-for-this-test"
DATABASE = "own"
START_SECONDS = 20.0


@dataclass
class OwnServers:
    """Both servers of one test; they run until the test stops them."""

    postgres: PostgresServer
    redis: RedisServer
    logs: Path
    postgres_child: Child
    redis_child: Child

    @property
    def database_url(self) -> str:
        return self.postgres.url(DATABASE)

    def stop_postgres(self, how: signal.Signals) -> None:
        """Stop PostgreSQL: SIGINT is a "fast" shutdown, SIGQUIT an "immediate" one."""
        os.kill(self.postgres_child.pid, how)
        wait_until(self.postgres_child.has_exited, seconds=START_SECONDS, message="PostgreSQL has ended")
        self.postgres_child.kill_group()

    def start_postgres(self, *, bytes_per_file: int | None = None) -> None:
        """Start PostgreSQL on its data; return when it accepts connections."""
        program = self.postgres.program(self.logs / "postgres.log")
        if bytes_per_file is not None:
            limit = f'ulimit -S -f {bytes_per_file // 512}; exec "$@"'
            program = replace(program, arguments=["/bin/sh", "-c", limit, "sh", *program.arguments])
        self.postgres_child = start(program)
        _wait_until_ready(lambda: is_postgres_ready(self.postgres, self.postgres_child))

    def celery(self) -> Celery:
        """Return a Celery application that sends tasks to workers on these servers."""
        sender = Celery(broker=self.redis.url, set_as_current=False)
        prefix = f"{settings.REDIS_PREFIX}:celery:"
        sender.conf.broker_transport_options = {"global_keyprefix": prefix, "socket_timeout": 5}
        return sender

    def kill_redis(self) -> None:
        """Kill Redis with SIGKILL."""
        self.redis_child.kill_group()

    def start_redis(self) -> None:
        """Start Redis without data, at the same address."""
        self.redis_child = start(self.redis.program(self.logs / "redis.log"))
        _wait_until_ready(lambda: is_redis_ready(self.redis, self.redis_child))

    @contextmanager
    def frozen_postgres(self) -> Iterator[None]:
        """Suspend every process of the server; the kernel still accepts and acknowledges."""
        try:
            # The parent first, so that it starts no more children.
            os.kill(self.postgres_child.pid, signal.SIGSTOP)
            _signal(_list_process_tree(self.postgres_child.pid), signal.SIGSTOP)
            yield
        finally:
            _signal(_list_process_tree(self.postgres_child.pid), signal.SIGCONT)

    @contextmanager
    def frozen_redis(self) -> Iterator[None]:
        """Suspend Redis; the kernel still accepts connections and acknowledges bytes."""
        try:
            os.kill(self.redis_child.pid, signal.SIGSTOP)
            yield
        finally:
            os.kill(self.redis_child.pid, signal.SIGCONT)

    @contextmanager
    def full_disk(self, *, bytes_per_file: int) -> Iterator[None]:
        """Restart PostgreSQL with a limit on its file size, which has the effect of a full disk."""
        self.stop_postgres(signal.SIGINT)
        self.start_postgres(bytes_per_file=bytes_per_file)
        try:
            yield
        finally:
            self.stop_postgres(signal.SIGINT)
            self.start_postgres()


def make_template(paths: Paths, account: Account | None) -> Path:
    """Return a stopped cluster that contains our tables and their seeded rows."""
    cluster = paths.home / "template"
    binaries = find_postgres(paths, account)
    create_cluster(binaries, cluster, PASSWORD, account)
    server = _postgres(paths, account, cluster)
    child = start(server.program(paths.logs / "template.log"))
    _wait_until_ready(lambda: is_postgres_ready(server, child))
    ensure_database(server, DATABASE)
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--noinput"],
        cwd=REPOSITORY,
        env=os.environ | {"DATABASE_URL": server.url(DATABASE)},
        check=True,
        capture_output=True,
    )
    os.kill(child.pid, signal.SIGINT)
    wait_until(child.has_exited, seconds=START_SECONDS, message="PostgreSQL has ended")
    child.kill_group()
    return cluster


@contextmanager
def running_servers(paths: Paths, account: Account | None, template: Path) -> Iterator[OwnServers]:
    """Yield separate servers for the test; Django connects to them."""
    home = paths.home / uuid.uuid4().hex[:8]
    home.mkdir(mode=0o711)
    shutil.copytree(template, home / "postgres")
    give_to(home / "postgres", account)
    postgres = _postgres(paths, account, home / "postgres")
    redis = RedisServer(
        binary=find_redis(paths, account),
        directory=home / "redis",
        port=choose_port(),
        password=PASSWORD,
        account=account,
    )
    write_configuration(redis)
    children = start(postgres.program(home / "postgres.log")), start(redis.program(home / "redis.log"))
    servers = OwnServers(postgres, redis, home, *children)
    try:
        _wait_until_ready(lambda: is_postgres_ready(postgres, servers.postgres_child))
        _wait_until_ready(lambda: is_redis_ready(redis, servers.redis_child))
        with _pointed(servers):
            yield servers
    finally:
        servers.postgres_child.kill_group()
        servers.redis_child.kill_group()
        shutil.rmtree(home, ignore_errors=True)


def _postgres(paths: Paths, account: Account | None, cluster: Path) -> PostgresServer:
    return PostgresServer(
        binaries=find_postgres(paths, account),
        cluster=cluster,
        port=choose_port(),
        password=PASSWORD,
        account=account,
        is_durable=True,
    )


@contextmanager
def _pointed(servers: OwnServers) -> Iterator[None]:
    """Connect this process's Django to `servers`; `worlds` and `web_servers` pass that on to processes they start."""
    own = connections["default"].settings_dict
    before = dict(own), settings.REDIS_URL, settings.REDIS_PREFIX
    connections["default"].close()
    own |= {"HOST": "127.0.0.1", "PORT": str(servers.postgres.port), "NAME": DATABASE, "USER": "terminal"}
    own["PASSWORD"] = servers.postgres.password
    settings.REDIS_URL, settings.REDIS_PREFIX = servers.redis.url, "own"
    try:
        yield
    finally:
        connections["default"].close()
        own |= before[0]
        settings.REDIS_URL, settings.REDIS_PREFIX = before[1], before[2]


def _wait_until_ready(is_ready: Callable[[], bool]) -> None:
    wait_until(is_ready, seconds=START_SECONDS, message="the test's server answers")


def _signal(pids: Sequence[int], signal_number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # The process has exited.
            os.kill(pid, signal_number)


def _list_process_tree(pid: int) -> list[int]:
    """Return a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in children)]
