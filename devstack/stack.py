"""`devstack run`: starts the whole stack, prints `Ready`, and stops it again.

Prices come first. The simulator, the servers and the collection of static files start together; the feed worker starts
when the tables are migrated, the web server when the static files are collected too. Everything else follows the first
answer of the web server, with less priority: the other workers, the demo users, the import. Each of these may take
long or fail, and none of them is needed for the prices of a former run. The start after a crash is the same path.
`source` and `programs` decide which processes run; `supervisor` restarts and stops them; `preparations` knows what need
not be prepared again.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from devstack import programs, servers
from devstack.address import Address, check_is_free, choose_address
from devstack.children import Program
from devstack.locking import single_run
from devstack.logs import rotate_logs
from devstack.loopback import without_proxy
from devstack.paths import Paths
from devstack.port_registry import PortRegistry
from devstack.preparations import Preparations, fingerprint_of_static_files, fingerprint_of_tables
from devstack.privileges import Account
from devstack.probes import ask, describe_health
from devstack.processes import CHECKOUT_VARIABLE, kill_processes_of
from devstack.secret_files import load_or_create_secret, write_private
from devstack.signal_waiter import SignalWaiter
from devstack.source import Source, choose_source, source_variables
from devstack.steps import StartStep, announce
from devstack.supervisor import StopRequestedError, Supervisor
from devstack.web_servers import WebServers, choose_web_processes, count_database_connections, web_servers

START_TIMEOUT_SECONDS = 120.0  # chosen: far above a start on a loaded machine
PROBE_INTERVAL_SECONDS = 0.5  # chosen: "Ready" comes within half a second, at a negligible load
# Chosen: as long as R20 promises for the first price; then the other workers start, whatever the web server does.
PRICES_FIRST_SECONDS = 10.0
BACKGROUND_NICENESS = 10  # nice(1): its default for work that may wait
DEMO_USERS = "trader1, trader2, staff"


def run(
    *,
    paths: Paths,
    account: Account | None,
    environ: Mapping[str, str],
    prices_first_seconds: float = PRICES_FIRST_SECONDS,
) -> int:
    """Run the stack until the user stops it; return the exit code."""
    source = choose_source(environ)
    address = choose_address(environ)
    processes = choose_web_processes(environ)
    with single_run(paths.run / "lock"):
        check_is_free(address)
        rotate_logs(paths.logs)
        # Under the lock: every process of this checkout is left from a run that was killed.
        kill_processes_of(paths.root)
        signals = SignalWaiter()
        signals.listen()
        supervisor = Supervisor(signals=signals, report=announce)
        with web_servers(address, processes) as web:
            try:
                _start_all(
                    supervisor,
                    paths=paths,
                    account=account,
                    environ=environ,
                    source=source,
                    web=web,
                    prices_first_seconds=prices_first_seconds,
                )
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
    web: WebServers,
    prices_first_seconds: float,
) -> None:
    ports = PortRegistry(paths.run / "ports.json")
    announce(f"Source of data: {source.name} (database {source.database})")
    launcher = programs.Launcher(
        root=paths.root, logs=paths.logs, environment=_variables(paths, environ, source, ports)
    )
    if source.is_simulated:
        _start_simulator(supervisor, launcher, source, ports)
    announce("Starting PostgreSQL and Redis ...")
    urls = servers.start(
        supervisor,
        paths=paths,
        account=account,
        ports=ports,
        environ=environ,
        database=source.database,
        max_connections=count_database_connections(environ, web.count),
    )
    launcher = replace(launcher, environment={**launcher.environment, **urls})
    _start_prices(
        supervisor,
        launcher,
        Preparations(paths.run / "preparations.json"),
        web,
        ports,
        prices_first_seconds=prices_first_seconds,
    )
    announce("Starting the analytics worker, the work worker and beat ...")
    supervisor.supervise(programs.analytics_worker(launcher))
    supervisor.supervise(programs.work_worker(launcher))
    supervisor.supervise(programs.beat(launcher))
    users, hint = _begin_demo_users(supervisor, launcher, paths, source)
    importing = _begin_import(supervisor, launcher, source, ports)
    _wait_until_healthy(supervisor, web.address, [*users, importing])
    for step in users:
        step.finish()
    announce(f"Ready {web.address.url}")
    if hint:
        announce(f"Log in as one of {DEMO_USERS}; {hint}")
    importing.finish()


def _start_prices(
    supervisor: Supervisor,
    launcher: programs.Launcher,
    preparations: Preparations,
    web: WebServers,
    ports: PortRegistry,
    *,
    prices_first_seconds: float,
) -> None:
    """Start what a price passes on its way to a browser, and wait until the web server answers."""
    collecting = _begin_collecting(supervisor, launcher, preparations)
    database_url = launcher.environment["DATABASE_URL"]
    if not preparations.is_done("tables", fingerprint_of_tables(launcher.root, database_url)):
        StartStep(supervisor, launcher.command("migrate", "--noinput"), "Preparing the tables").finish()
        preparations.note("tables", fingerprint_of_tables(launcher.root, database_url))
    processes = "the web server" if web.count == 1 else f"{web.count} web processes"
    announce(f"Starting the feed worker and {processes} ...")
    supervisor.supervise(programs.feed_worker(launcher))
    if collecting is not None:
        collecting.finish()
        preparations.note("static", _fingerprint_of_static_files(launcher))
    for program in _web_programs(launcher, web, ports):
        supervisor.supervise(program)
    give_up_at = time.monotonic() + prices_first_seconds
    supervisor.wait_until(
        lambda: ask(f"{web.address.url}/health").status != 0 or time.monotonic() > give_up_at,
        every_seconds=PROBE_INTERVAL_SECONDS,
    )


def _web_programs(launcher: programs.Launcher, web: WebServers, ports: PortRegistry) -> list[Program]:
    if web.listener is None:
        return [programs.web(launcher, host=web.address.host, port=web.address.port)]
    metrics_port = ports.port("web-metrics", count=web.count)
    return programs.web_processes(launcher, count=web.count, listener=web.listener.fileno(), metrics_port=metrics_port)


def _variables(paths: Paths, environ: Mapping[str, str], source: Source, ports: PortRegistry) -> dict[str, str]:
    """Return the variables of all programs, without the addresses of PostgreSQL and Redis."""
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
    return {**without_proxy(environ), **own, **dhan}


def _start_simulator(supervisor: Supervisor, launcher: programs.Launcher, source: Source, ports: PortRegistry) -> None:
    announce("Starting the simulator ...")
    feed_port, rest_port = ports.port("simulator-feed"), ports.port("simulator-rest")
    supervisor.supervise(programs.simulator(launcher, source, feed_port=feed_port, rest_port=rest_port))


def _begin_collecting(
    supervisor: Supervisor, launcher: programs.Launcher, preparations: Preparations
) -> StartStep | None:
    """Begin to collect the static files, which needs no server; return None if they are collected already."""
    if preparations.is_done("static", _fingerprint_of_static_files(launcher)):
        return None
    return StartStep(supervisor, launcher.command("collectstatic", "--noinput"), "Gathering static files")


def _fingerprint_of_static_files(launcher: programs.Launcher) -> str | None:
    return fingerprint_of_static_files(launcher.root, Path(launcher.environment["STATIC_ROOT"]))


def _begin_import(
    supervisor: Supervisor, launcher: programs.Launcher, source: Source, ports: PortRegistry
) -> StartStep:
    """Begin to import the instrument file of this source. After a failure the stack goes on with the former list."""
    if source.is_simulated:
        listing = f"http://127.0.0.1:{ports.port('simulator-rest')}/api-data/{source.instrument_file}"
        give_up_at = time.monotonic() + START_TIMEOUT_SECONDS
        supervisor.wait_until(
            lambda: ask(listing).status == 200 or time.monotonic() > give_up_at, every_seconds=PROBE_INTERVAL_SECONDS
        )
    command = replace(launcher.command("import_instruments"), niceness=BACKGROUND_NICENESS)
    advice = 'The former list stays. To import again: make manage ARGS="import_instruments"'
    return StartStep(supervisor, command, f"Importing the instruments of {source.name}", is_shown=True, advice=advice)


def _begin_demo_users(
    supervisor: Supervisor, launcher: programs.Launcher, paths: Paths, source: Source
) -> tuple[list[StartStep], str]:
    """Begin to create the demo users; also return a sentence about their password. Both are empty without any."""
    given = launcher.environment.get("DEMO_PASSWORD")
    if not source.is_simulated and not given:
        return [], ""
    password, hint = (given, "the password is the value of DEMO_PASSWORD") if given else _demo_password(paths.run)
    environment = {**launcher.environment, "DEMO_PASSWORD": password}
    command = replace(launcher.command("create_demo_users"), environment=environment, niceness=BACKGROUND_NICENESS)
    advice = "Users of a former run stay. The next start tries again."
    return [StartStep(supervisor, command, "Making the demo users", advice=advice)], hint


def _demo_password(run: Path) -> tuple[str, str]:
    path = run / "demo-password"
    if path.exists():
        return path.read_text().strip(), f"the password is in {path}"
    password = secrets.token_urlsafe(9)
    write_private(path, password)
    return password, f"password {password} (stored in {path})"


def _wait_until_healthy(supervisor: Supervisor, address: Address, steps: Sequence[StartStep]) -> None:
    """Wait until /health answers 200, and show the progress of `steps` meanwhile."""
    announce("Waiting for /health ...")
    warn_at = time.monotonic() + START_TIMEOUT_SECONDS

    def is_healthy() -> bool:
        nonlocal warn_at
        for step in steps:
            step.poll()
        answer = ask(f"{address.url}/health")
        if answer.status != 200 and time.monotonic() > warn_at:
            announce(f"Not healthy yet (status {answer.status}): {describe_health(answer)}")
            warn_at = time.monotonic() + START_TIMEOUT_SECONDS
        return answer.status == 200

    supervisor.wait_until(is_healthy, every_seconds=PROBE_INTERVAL_SECONDS)
