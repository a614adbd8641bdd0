"""`devstack exec`: runs a command with temporary servers, which are deleted with their data afterwards.

Every invocation has a separate directory, PostgreSQL cluster, Redis and ports, so any number of test runs may share a
checkout. The cluster is a copy of a template that is made once. Durability is off, because the data is temporary. A
server named by DATABASE_URL or REDIS_URL is used instead.
"""

import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from devstack import binaries, postgres, redis
from devstack.children import Child, die_with_parent, start
from devstack.errors import DevstackError
from devstack.locking import acquire
from devstack.loopback import without_proxy
from devstack.paths import Paths
from devstack.ports import choose_port
from devstack.privileges import Account, give_to
from devstack.secret_files import load_or_create_secret
from devstack.waiting import wait_until

DATABASE = "terminal"
START_SECONDS = 60.0  # chosen: measured 0.1 s on an idle machine; a loaded one may need seconds
START_ATTEMPTS = 3  # chosen: another run may take the port before the server listens; three times is improbable


def execute(
    command: Sequence[str], *, paths: Paths, account: Account | None, environ: Mapping[str, str], is_durable: bool
) -> int:
    """Run `command` with temporary servers and return its exit code.

    With `is_durable` the database writes to disk as in production, for benchmarks of commits.
    """
    with ExitStack() as stack:
        variables = without_proxy(environ)
        variables.setdefault("SECRET_KEY", secrets.token_urlsafe(32))
        if not (environ.get("DATABASE_URL") and environ.get("REDIS_URL")):
            directory = stack.enter_context(_own_directory(paths, account))
            if not environ.get("REDIS_URL"):
                variables["REDIS_URL"] = stack.enter_context(_redis(paths, directory, account))
            if not environ.get("DATABASE_URL"):
                variables["DATABASE_URL"] = stack.enter_context(
                    _postgres(paths, directory, account, is_durable=is_durable)
                )
        return _run(command, variables)


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run `command` in our process group, so that Ctrl-C reaches it, and return its exit code (128 + signal)."""
    process = subprocess.Popen(
        command,
        env=dict(environment),
        preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509  this process has a single thread
    )

    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    # The terminal sends Ctrl-C to the command too; the servers must live until it has exited.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGHUP, pass_on)
    code = process.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _own_directory(paths: Paths, account: Account | None) -> Iterator[Path]:
    """Make a directory for this run, and remove the directories of runs that have ended.

    A run owns the lock on the file `lock` of its directory. Process ids would not do: they are reused. The lock of
    the parent covers the moment between making a directory and locking it.
    """
    parent = paths.home / "ephemeral"
    parent.mkdir(mode=0o711, exist_ok=True)
    with ExitStack() as stack:
        with (parent / "lock").open("a") as parent_lock:
            acquire(parent_lock, must_wait=True)
            for directory in parent.glob("run-*"):
                _remove_if_abandoned(directory)
            directory = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
            acquire(stack.enter_context((directory / "lock").open("a")))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        give_to(directory, account)
        yield directory


def _remove_if_abandoned(directory: Path) -> None:
    with suppress(FileNotFoundError), (directory / "lock").open("a") as lock:  # Its run may be removing it now.
        if acquire(lock):
            shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _redis(paths: Paths, directory: Path, account: Account | None) -> Iterator[str]:
    binary = binaries.find_redis(paths, account)
    password = secrets.token_urlsafe(24)

    def attempt() -> tuple[str, Child]:
        server = redis.RedisServer(
            binary=binary, directory=directory / "redis", port=choose_port(), password=password, account=account
        )
        redis.write_configuration(server)
        child = start(server.program(directory / "redis.log"))
        _wait_until_ready(lambda: redis.is_ready(server, child))
        return server.url, child

    url, child = _first_success(attempt)
    try:
        yield url
    finally:
        child.kill_group()


@contextmanager
def _postgres(paths: Paths, directory: Path, account: Account | None, *, is_durable: bool) -> Iterator[str]:
    programs = binaries.find_postgres(paths, account)
    cluster = directory / "postgres"
    password = _copy_template(paths, programs, cluster, account)

    def attempt() -> tuple[str, Child]:
        server = postgres.PostgresServer(
            binaries=programs,
            cluster=cluster,
            port=choose_port(),
            password=password,
            account=account,
            is_durable=is_durable,
        )
        child = start(server.program(directory / "postgres.log"))
        _wait_until_ready(lambda: postgres.is_ready(server, child))
        postgres.ensure_database(server, DATABASE)
        return server.url(DATABASE), child

    url, child = _first_success(attempt)
    try:
        yield url
    finally:
        child.stop()


def _first_success(attempt: Callable[[], tuple[str, Child]]) -> tuple[str, Child]:
    # The last attempt is outside the loop, so that its error reaches the caller.
    for _ in range(START_ATTEMPTS - 1):
        try:
            return attempt()
        except DevstackError:
            continue
    return attempt()


def _wait_until_ready(is_ready: Callable[[], bool]) -> None:
    if not wait_until(is_ready, seconds=START_SECONDS):
        raise DevstackError(f"A temporary server does not answer after {START_SECONDS:.0f} s.")


def _copy_template(paths: Paths, programs: Path, cluster: Path, account: Account | None) -> str:
    """Copy the template to `cluster` and return its password."""
    template = paths.home / f"template-{(programs / 'postgres').stat().st_mtime_ns}"
    if not template.exists():
        _make_template(template, programs, cluster.parent, account)
    shutil.copytree(template / "cluster", cluster, symlinks=True)
    cluster.chmod(0o700)
    give_to(cluster, account)
    return load_or_create_secret(template / "password")


def _make_template(template: Path, programs: Path, workspace: Path, account: Account | None) -> None:
    print("Making the template database cluster (once) ...", flush=True)
    draft = workspace / "template"
    draft.mkdir(mode=0o711)
    password = load_or_create_secret(draft / "password")
    postgres.create_cluster(programs, workspace / "cluster", password, account)
    (workspace / "cluster").rename(draft / "cluster")
    draft.chmod(0o700)
    try:
        draft.rename(template)
    except OSError:  # Another run has made it in the meantime.
        shutil.rmtree(draft)
