"""`devstack run`: starts the whole stack, prints `Ready`, and stops it again.

Each step needs the steps before: servers, broker, tables, instruments, users, workers, web. The start after a crash
is the same path. `source` and `programs` decide which processes run; `supervisor` restarts and stops them.
"""

import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from devstack import programs, servers
from devstack.address import Address, check_is_free, choose_address
from devstack.children import Program
from devstack.errors import DevstackError
from devstack.locking import single_run
from devstack.logs import LogTail, last_lines, rotate_logs
from devstack.loopback import without_proxy
from devstack.paths import Paths
from devstack.port_registry import PortRegistry
from devstack.privileges import Account
from devstack.probes import ask, describe_health
from devstack.processes import CHECKOUT_VARIABLE, kill_processes_of
from devstack.secret_files import load_or_create_secret, write_private
from devstack.signal_waiter import SignalWaiter
from devstack.source import Source, choose_source, source_variables
from devstack.supervisor import StopRequestedError, Supervisor

START_TIMEOUT_SECONDS = 120.0  # chosen: far above a start on a loaded machine
PROBE_INTERVAL_SECONDS = 0.5  # chosen: "Ready" comes within half a second, at a negligible load
DEMO_USERS = "trader1, trader2, staff"


def run(*, paths: Paths, account: Account | None, environ: Mapping[str, str]) -> int:
    """Run the stack until the user stops it; return the exit code."""
    source = choose_source(environ)
    address = choose_address(environ)
    with single_run(paths.run / "lock"):
        check_is_free(address)
        rotate_logs(paths.logs)
        # Under the lock: every process of this checkout is left from a run that was killed.
        kill_processes_of(paths.root)
        signals = SignalWaiter()
        signals.listen()
        supervisor = Supervisor(signals=signals, report=announce)
        try:
            _start_all(supervisor, paths=paths, account=account, environ=environ, source=source, address=address)
            supervisor.run()
        except StopRequestedError:
            pass
        finally:
            announce("Stopping ...")
            supervisor.stop_all()
            signals.ignore_signals()
            announce("Stopped. The data remains in .run/.")
    return 0


def _start_all(
    supervisor: Supervisor,
    *,
    paths: Paths,
    account: Account | None,
    environ: Mapping[str, str],
    source: Source,
    address: Address,
) -> None:
    ports = PortRegistry(paths.run / "ports.json")
    announce(f"Source of data: {source.name} (database {source.database})")
    announce("Starting PostgreSQL and Redis ...")
    urls = servers.start(
        supervisor, paths=paths, account=account, ports=ports, environ=environ, database=source.database
    )
    launcher = programs.Launcher(
        root=paths.root, logs=paths.logs, environment=_variables(paths, environ, source, ports, urls)
    )
    if source.is_simulated:
        _start_simulator(supervisor, launcher, source, ports)
    _prepare(supervisor, launcher, source)
    hint = _make_demo_users(supervisor, launcher, paths, source)
    announce("Starting the feed worker, the work worker, beat and the web server ...")
    supervisor.supervise(programs.feed_worker(launcher))
    supervisor.supervise(programs.work_worker(launcher))
    supervisor.supervise(programs.beat(launcher))
    supervisor.supervise(programs.web(launcher, host=address.host, port=address.port))
    _wait_until_healthy(supervisor, address)
    announce(f"Ready {address.url}")
    if hint:
        announce(f"Log in as one of {DEMO_USERS}; {hint}")


def _variables(
    paths: Paths, environ: Mapping[str, str], source: Source, ports: PortRegistry, urls: Mapping[str, str]
) -> dict[str, str]:
    token = load_or_create_secret(paths.run / "simulator-token")
    dhan = source_variables(
        source, environ, feed_port=ports.port("simulator-feed"), rest_port=ports.port("simulator-rest"), token=token
    )
    own = {
        "SECRET_KEY": environ.get("SECRET_KEY") or load_or_create_secret(paths.run / "secret-key", length_bytes=48),
        # 32 bytes are 43 characters of base64; a Fernet key needs the padding too.
        "TOKEN_KEYS": environ.get("TOKEN_KEYS")
        or load_or_create_secret(paths.run / "token-key", length_bytes=32) + "=",
        "STATIC_ROOT": environ.get("STATIC_ROOT") or str(paths.run / "static"),
        "SIMULATOR_ACCESS_TOKEN": token,
        "PYTHONUNBUFFERED": "1",
        CHECKOUT_VARIABLE: str(paths.root),
    }
    return {**without_proxy(environ), **urls, **own, **dhan}


def _start_simulator(supervisor: Supervisor, launcher: programs.Launcher, source: Source, ports: PortRegistry) -> None:
    announce("Starting the simulator ...")
    rest_port = ports.port("simulator-rest")
    program = programs.simulator(launcher, source, feed_port=ports.port("simulator-feed"), rest_port=rest_port)
    supervisor.supervise(program)
    listing = f"http://127.0.0.1:{rest_port}/api-data/{source.instrument_file}"
    deadline = time.monotonic() + START_TIMEOUT_SECONDS

    def is_listing() -> bool:
        if time.monotonic() > deadline:
            raise DevstackError(
                _with_log_tail(f"The simulator does not answer after {START_TIMEOUT_SECONDS:.0f} s.", program)
            )
        return ask(listing).status == 200

    supervisor.wait_until(is_listing, every_seconds=PROBE_INTERVAL_SECONDS)


def _prepare(supervisor: Supervisor, launcher: programs.Launcher, source: Source) -> None:
    _run_command(supervisor, launcher.command("migrate", "--noinput"), "Preparing the tables")
    _run_command(supervisor, launcher.command("collectstatic", "--noinput"), "Gathering static files")
    command = launcher.command("import_instruments")
    _run_command(supervisor, command, f"Importing the instruments of {source.name}", is_shown=True)


def _make_demo_users(supervisor: Supervisor, launcher: programs.Launcher, paths: Paths, source: Source) -> str | None:
    """Create the demo users; return a sentence about their password, or None if there are no demo users."""
    given = launcher.environment.get("DEMO_PASSWORD")
    if not source.is_simulated and not given:
        return None
    password, hint = (given, "the password is the value of DEMO_PASSWORD") if given else _demo_password(paths.run)
    environment = {**launcher.environment, "DEMO_PASSWORD": password}
    command = programs.Launcher(root=launcher.root, logs=launcher.logs, environment=environment)
    _run_command(supervisor, command.command("create_demo_users"), "Making the demo users")
    return hint


def _demo_password(run: Path) -> tuple[str, str]:
    path = run / "demo-password"
    if path.exists():
        return path.read_text().strip(), f"the password is in {path}"
    password = secrets.token_urlsafe(9)
    write_private(path, password)
    return password, f"password {password} (stored in {path})"


def _run_command(supervisor: Supervisor, program: Program, what: str, *, is_shown: bool = False) -> None:
    """Run a management command; with `is_shown`, print its output as it comes. Raises DevstackError if it fails."""
    announce(f"{what} ...")
    began_at = time.monotonic()
    tail = LogTail(program.log)

    def show() -> None:
        for line in tail.new_lines():
            announce(f"  {line}")

    code = supervisor.run_once(program, on_check=show) if is_shown else supervisor.run_once(program)
    if code != 0:
        raise DevstackError(_with_log_tail(f"{what} failed with exit code {code}.", program))
    announce(f"  done in {time.monotonic() - began_at:.1f} s")


def _wait_until_healthy(supervisor: Supervisor, address: Address) -> None:
    announce("Waiting for /health ...")
    warn_at = time.monotonic() + START_TIMEOUT_SECONDS

    def is_healthy() -> bool:
        nonlocal warn_at
        answer = ask(f"{address.url}/health")
        if answer.status != 200 and time.monotonic() > warn_at:
            announce(f"Not healthy yet (status {answer.status}): {describe_health(answer)}")
            warn_at = time.monotonic() + START_TIMEOUT_SECONDS
        return answer.status == 200

    supervisor.wait_until(is_healthy, every_seconds=PROBE_INTERVAL_SECONDS)


def _with_log_tail(sentence: str, program: Program) -> str:
    return "\n  ".join([f"{sentence} The end of {program.log}:", *last_lines(program.log, count=15)])


def announce(line: str) -> None:
    print(line, flush=True)
