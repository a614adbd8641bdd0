"""The web process as a separate process on the test database, under either ASGI server."""

import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError

from tests.integration.subscriptions.feed.feed_workers import server_environment
from tests.processes import PythonProcess
from tests.waiting import wait_until

START_SECONDS = 60.0
STOP_SECONDS = 10.0
SERVERS = ("uvicorn", "daphne")


@contextmanager
def running_web(
    directory: Path, *, server: str = "uvicorn", module: str = "terminal.asgi", **variables: str
) -> Iterator[str]:
    """Yield `host:port` of a web process on the test's database and Redis prefix; its log is `web.log`."""
    with running_web_process(directory, server=server, module=module, **variables) as (address, _):
        yield address


@contextmanager
def running_web_process(
    directory: Path, *, server: str = "uvicorn", module: str = "terminal.asgi", **variables: str
) -> Iterator[tuple[str, PythonProcess]]:
    """Yield the process as well, for tests that end it."""
    with web_process_on(_free_port(), directory, server=server, module=module, **variables) as running:
        yield running


@contextmanager
def web_process_on(
    port: int, directory: Path, /, *, server: str = "uvicorn", module: str = "terminal.asgi", **variables: str
) -> Iterator[tuple[str, PythonProcess]]:
    """Do the same on a port, for tests that start it again there."""
    uvicorn = [f"{module}:application", "--port", str(port), "--timeout-graceful-shutdown", "1"]
    uvicorn += ["--ws", "websockets-sansio", "--ws-per-message-deflate", "false"]
    daphne = ["-b", "127.0.0.1", "-p", str(port), "--application-close-timeout", "1"]
    daphne += [f"{module}:application"]
    process = PythonProcess(
        server,
        {"uvicorn": uvicorn, "daphne": daphne}[server],
        environment={**server_environment(), **variables},
        output=directory / "web.log",
    )
    try:
        _wait_until_up(f"http://127.0.0.1:{port}/login/", process, directory / "web.log")
        yield f"127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait(STOP_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_up(url: str, process: PythonProcess, log: Path) -> None:
    def is_up() -> bool:
        assert process.poll() is None, f"the web process ended:\n{log.read_text()[-2_000:]}"
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  loopback
                return True
        except HTTPError as refusal:  # On a busy machine a first answer may be 503.
            refusal.close()  # Left open, it would be reported in a later test, when it is collected.
        except URLError:
            pass
        return False

    wait_until(is_up, seconds=START_SECONDS, message="the web process answers")
