"""`devstack run`: the whole stack, from nothing to the line `Ready`, and down again.

The order of coming up is the order of need: servers, broker, tables, instruments, users,
workers, web. Coming up again after any crash is the same path. What runs is decided in
`source` and `programs`; staying alive and stopping is `supervisor`'s.
"""

import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from devstack import programs, servers
from devstack.address import Address, check_is_free, choose_address
from devstack.bell import Bell
from devstack.children import Program
from devstack.errors import DevstackError
from devstack.locking import only_run
from devstack.logs import LogTail, last_lines, rotate_logs
from devstack.loopback import without_proxy
from devstack.places import Places
from devstack.port_book import PortBook
from devstack.privileges import Account
from devstack.probes import ask, describe_health
from devstack.processes import MARK, end_marked
from devstack.secret_files import keep_secret, write_private
from devstack.source import Source, choose_source, source_variables
from devstack.supervisor import StopRequestedError, Supervisor

PATIENCE_SECONDS = 120.0
PROBE_SECONDS = 0.5
DEMO_USERS = "trader1, trader2, staff"


def run(*, places: Places, account: Account | None, environ: Mapping[str, str]) -> int:
    """Run the stack until the user stops it; return the exit code."""
    source = choose_source(environ)
    address = choose_address(environ)
    with only_run(places.run / "lock"):
        check_is_free(address)
        rotate_logs(places.logs)
        end_marked(places.root)
        bell = Bell()
        bell.listen()
        supervisor = Supervisor(bell=bell, report=announce)
        try:
            _bring_up(supervisor, places=places, account=account, environ=environ, source=source, address=address)
            supervisor.run()
        except StopRequestedError:
            pass
        finally:
            announce("Stopping ...")
            supervisor.stop_all()
            bell.fall_silent()
            announce("Stopped; the data stays in .run/.")
    return 0


def _bring_up(
    supervisor: Supervisor,
    *,
    places: Places,
    account: Account | None,
    environ: Mapping[str, str],
    source: Source,
    address: Address,
) -> None:
    ports = PortBook(places.run / "ports.json")
    announce(f"Source of data: {source.name} (database {source.database})")
    announce("Starting PostgreSQL and Redis ...")
    urls = servers.bring_up(
        supervisor, places=places, account=account, ports=ports, environ=environ, database=source.database
    )
    workshop = programs.Workshop(
        root=places.root, logs=places.logs, environment=_variables(places, environ, source, ports, urls)
    )
    if source.is_simulated:
        _start_simulator(supervisor, workshop, source, ports)
    _prepare(supervisor, workshop, source)
    hint = _make_demo_users(supervisor, workshop, places, source)
    announce("Starting the feed worker, the work worker, beat and the web server ...")
    supervisor.keep(programs.feed_worker(workshop))
    supervisor.keep(programs.work_worker(workshop))
    supervisor.keep(programs.beat(workshop))
    supervisor.keep(programs.web(workshop, host=address.host, port=address.port))
    _wait_until_healthy(supervisor, address)
    announce(f"Ready {address.url}")
    if hint:
        announce(f"Log in as one of {DEMO_USERS}; {hint}")


def _variables(
    places: Places, environ: Mapping[str, str], source: Source, ports: PortBook, urls: servers.ServerUrls
) -> dict[str, str]:
    token = keep_secret(places.run / "simulator-token")
    dhan = source_variables(
        source, environ, feed_port=ports.port("simulator-feed"), rest_port=ports.port("simulator-rest"), token=token
    )
    own = {
        "DATABASE_URL": urls.database,
        "REDIS_URL": urls.redis,
        "SECRET_KEY": environ.get("SECRET_KEY") or keep_secret(places.run / "secret-key", length_bytes=48),
        # A Fernet key is padded.
        "TOKEN_KEYS": environ.get("TOKEN_KEYS") or keep_secret(places.run / "token-key", length_bytes=32) + "=",
        "STATIC_ROOT": environ.get("STATIC_ROOT") or str(places.run / "static"),
        "SIMULATOR_ACCESS_TOKEN": token,
        "PYTHONUNBUFFERED": "1",
        MARK: str(places.root),
    }
    return {**without_proxy(environ), **own, **dhan}


def _start_simulator(supervisor: Supervisor, workshop: programs.Workshop, source: Source, ports: PortBook) -> None:
    announce("Starting the simulator ...")
    rest_port = ports.port("simulator-rest")
    program = programs.simulator(workshop, source, feed_port=ports.port("simulator-feed"), rest_port=rest_port)
    supervisor.keep(program)
    listing = f"http://127.0.0.1:{rest_port}/api-data/{source.instrument_file}"
    deadline = time.monotonic() + PATIENCE_SECONDS

    def is_listing() -> bool:
        if time.monotonic() > deadline:
            raise DevstackError(_with_last_words("The simulator does not answer.", program))
        return ask(listing).status == 200

    supervisor.wait_until(is_listing, every_seconds=PROBE_SECONDS)


def _prepare(supervisor: Supervisor, workshop: programs.Workshop, source: Source) -> None:
    _chore(supervisor, workshop.chore("migrate", "--noinput"), "Preparing the tables")
    _chore(supervisor, workshop.chore("collectstatic", "--noinput"), "Gathering static files")
    chore = workshop.chore("import_instruments")
    _chore(supervisor, chore, f"Importing the instruments of {source.name}", is_shown=True)


def _make_demo_users(supervisor: Supervisor, workshop: programs.Workshop, places: Places, source: Source) -> str | None:
    """Make the demo users and return how to find their password; None where there are none."""
    given = workshop.environment.get("DEMO_PASSWORD")
    if not source.is_simulated and not given:
        return None
    password, hint = (given, "the password is DEMO_PASSWORD's") if given else _demo_password(places.run)
    environment = {**workshop.environment, "DEMO_PASSWORD": password}
    chore = programs.Workshop(root=workshop.root, logs=workshop.logs, environment=environment)
    _chore(supervisor, chore.chore("create_demo_users"), "Making the demo users")
    return hint


def _demo_password(run: Path) -> tuple[str, str]:
    path = run / "demo-password"
    if path.exists():
        return path.read_text().strip(), f"the password is in {path}"
    password = secrets.token_urlsafe(9)
    write_private(path, password)
    return password, f"password {password} (kept in {path})"


def _chore(supervisor: Supervisor, program: Program, what: str, *, is_shown: bool = False) -> None:
    """Run a management command to its end, its words shown as they come if it is long; raise if it fails."""
    announce(f"{what} ...")
    began_at = time.monotonic()
    tail = LogTail(program.log)

    def show() -> None:
        for line in tail.new_lines():
            announce(f"  {line}")

    code = supervisor.run_step(program, meanwhile=show) if is_shown else supervisor.run_step(program)
    if code != 0:
        raise DevstackError(_with_last_words(f"{what} failed (code {code}).", program))
    announce(f"  done in {time.monotonic() - began_at:.1f} s")


def _wait_until_healthy(supervisor: Supervisor, address: Address) -> None:
    announce("Waiting for /health ...")
    complain_at = time.monotonic() + PATIENCE_SECONDS

    def is_healthy() -> bool:
        nonlocal complain_at
        answer = ask(f"{address.url}/health")
        if answer.status != 200 and time.monotonic() > complain_at:
            announce(f"Not healthy yet ({answer.status}): {describe_health(answer)}")
            complain_at = time.monotonic() + PATIENCE_SECONDS
        return answer.status == 200

    supervisor.wait_until(is_healthy, every_seconds=PROBE_SECONDS)


def _with_last_words(sentence: str, program: Program) -> str:
    return "\n  ".join([f"{sentence} The end of {program.log}:", *last_lines(program.log, count=15)])


def announce(line: str) -> None:
    print(line, flush=True)
