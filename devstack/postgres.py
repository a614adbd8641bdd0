"""An embedded PostgreSQL: its cluster, its command line, its databases.

It listens on loopback TCP only: the path of a socket file is limited to 107 bytes (unix(7)), and the path of a checkout
may be longer. Passwords are generated and checked with SCRAM; no connection is trusted. This module connects as the
superuser `postgres`. The product connects as `terminal`, which owns its databases and may create others, as tests do.
"""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from devstack.children import SERVERS, Child, Program
from devstack.errors import DevstackError
from devstack.logs import last_lines
from devstack.privileges import Account, give_to
from devstack.processes import end
from devstack.waiting import wait_until

DATABASE_USER = "terminal"
SHARED_MEMORY_LINE = 6  # of postmaster.pid, from 0: miscadmin.h (LOCK_FILE_LINE_SHMEM_KEY)
ATTACHED_COLUMN = 6  # of /proc/sysvipc/shm, from 0: proc_sysvipc(5)
# Chosen: the last checkpoint of a server that was busy takes seconds.
STOP_SECONDS = 10.0
# A fixed environment: ours may contain the access token of the broker.
SERVER_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    binaries: Path
    cluster: Path
    port: int
    password: str
    account: Account | None
    is_durable: bool = True
    max_connections: int = 100

    def url(self, database: str) -> str:
        return f"postgres://{DATABASE_USER}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{database}"

    def program(self, log: Path) -> Program:
        return Program(
            name="postgres",
            arguments=[str(self.binaries / "postgres"), "-D", str(self.cluster), *_options(self)],
            environment=SERVER_ENVIRONMENT,
            directory=self.cluster,
            log=log,
            account=self.account,
            stop_signal=_stop_signal(self),
            stop_stage=SERVERS,
            must_finish=True,
            death_signal=_stop_signal(self),
        )


def _stop_signal(server: PostgresServer) -> signal.Signals:
    """Return SIGINT ("fast": disconnects clients, writes all data) or SIGQUIT ("immediate": writes nothing)."""
    return signal.SIGINT if server.is_durable else signal.SIGQUIT


def _options(server: PostgresServer) -> list[str]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(server.port),
        "unix_socket_directories": "",
        "shared_buffers": "256MB" if server.is_durable else "128MB",
        "max_connections": str(server.max_connections),
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] ",
    }
    if not server.is_durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        # Tests roll back thousands of rows. An ANALYZE before the next VACUUM then finds pages without rows, and the
        # planner joins what is inserted next by full scans (measured: over 3 s for 300 claims).
        settings["autovacuum"] = "off"
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def create_cluster(binaries: Path, cluster: Path, password: str, account: Account | None) -> None:
    """Create a cluster atomically: in a draft that is renamed. Raises DevstackError with the output of initdb."""
    # initdb may be interrupted: a half-made cluster must never have the final name.
    draft = cluster.with_name(f"{cluster.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    give_to(draft, account)
    with tempfile.NamedTemporaryFile("w", prefix="password-", dir=draft.parent) as password_file:
        password_file.write(password)
        password_file.flush()
        give_to(Path(password_file.name), account)
        outcome = subprocess.run(
            [
                str(binaries / "initdb"),
                f"--pgdata={draft}",
                "--username=postgres",
                f"--pwfile={password_file.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--locale=C.UTF-8",
                "--no-sync",  # the server syncs at its first checkpoint
                "--no-instructions",
            ],
            env=SERVER_ENVIRONMENT,
            cwd=draft,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            capture_output=True,
            text=True,
            check=False,
        )
    if outcome.returncode != 0:
        raise DevstackError(f"initdb failed:\n{outcome.stdout}{outcome.stderr}")
    draft.rename(cluster)


def check_version(server: PostgresServer) -> None:
    """Raise DevstackError if another major version of PostgreSQL made the cluster."""
    made_by = (server.cluster / "PG_VERSION").read_text().strip()
    answer = subprocess.run(
        [str(server.binaries / "postgres"), "--version"], capture_output=True, text=True, check=True
    )
    running = answer.stdout.split()[-1].partition(".")[0]
    if made_by != running:
        raise DevstackError(
            f"The data in {server.cluster} is of PostgreSQL {made_by}, the server is {running}. "
            "Dump it with the old version and restore it, or delete it with `make clean`."
        )


def clear_stale_lock(cluster: Path, *, seconds: float = STOP_SECONDS) -> None:
    """Clean up after a crashed run: end its server if it still runs, and delete its lock file.

    The caller must know that no other run uses this cluster. Without the clean-up PostgreSQL refuses to start if the
    process id in `postmaster.pid` now belongs to an unrelated process of the same account.

    Raises DevstackError, and leaves the lock file, if processes of the former server live on after `seconds`.
    """
    lock = cluster / "postmaster.pid"
    if not lock.exists():
        return
    lines = lock.read_text().splitlines() or ["0"]  # a full disk leaves it empty; no process has this id
    # The id may belong to an unrelated process by now; the server of this cluster has it as its working directory.
    with suppress(psutil.Error, FileNotFoundError):
        process = psutil.Process(int(lines[0]))
        if Path(process.cwd()).samefile(cluster):
            end(process, stop_signal=signal.SIGINT, seconds=seconds)
    # The children of a killed server end a moment after it; until then PostgreSQL refuses to start.
    if not wait_until(lambda: not _is_attached(lines[SHARED_MEMORY_LINE:]), seconds=seconds):
        left = ", ".join(map(str, _processes_in(cluster))) or "not found"
        raise DevstackError(
            f"Processes of the former PostgreSQL still use the memory of {cluster} after {seconds:g} s, so a new one "
            f"cannot start. End them and run again (process ids: {left})."
        )
    lock.unlink(missing_ok=True)


def _processes_in(cluster: Path) -> list[int]:
    """Return the ids of the processes that work in the directory of a cluster, as a server and its children do."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, FileNotFoundError):  # It has ended, or another account owns it.
            if Path(process.cwd()).samefile(cluster):
                found.append(process.pid)
    return found


def _is_attached(shared_memory_line: Sequence[str]) -> bool:
    """Return whether a process still uses the shared memory that a lock file names: its key and its id."""
    segments = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    own = [segment for line in shared_memory_line for segment in segments if segment[:2] == line.split()]
    return any(int(segment[ATTACHED_COLUMN]) > 0 for segment in own)


def is_ready(server: PostgresServer, child: Child) -> bool:
    """Return whether the server accepts connections. Raises DevstackError with the end of its log if it has exited."""
    try:
        _connect(server).close()
    except psycopg.OperationalError as error:
        if child.has_exited():
            log_tail = "\n".join(last_lines(child.program.log, count=5))
            raise DevstackError(f"PostgreSQL did not start: {error}\n{log_tail}") from error
        return False
    return True


def _connect(server: PostgresServer) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host="127.0.0.1",
        port=server.port,
        user="postgres",
        password=server.password,
        dbname="postgres",
        autocommit=True,
        connect_timeout=5,
    )


def ensure_database(server: PostgresServer, name: str) -> None:
    """Create the role of the product and its database `name`, if they do not exist."""
    with _connect(server) as connection:

        def has(question: str, value: str) -> bool:
            return connection.execute(question.encode(), [value]).fetchone() is not None

        if not has("SELECT 1 FROM pg_roles WHERE rolname = %s", DATABASE_USER):
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(
                    sql.Identifier(DATABASE_USER), sql.Literal(server.password)
                )
            )
        if not has("SELECT 1 FROM pg_database WHERE datname = %s", name):
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(DATABASE_USER))
            )
