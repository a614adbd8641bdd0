"""The command lines of the stack's processes. Pure: built from the environment that the processes receive.

Every process runs as `python -m ...`: the first line of a console script breaks if the path of the checkout is long
(execve(2)).
"""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from devstack.children import FRONTENDS, HEARTBEAT_START_SECONDS, SOURCES, WORKERS, Program
from devstack.errors import DevstackError
from devstack.source import SIMULATED_CLIENT_ID, Source

WORKER = ["celery", "-A", "terminal", "worker", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]

# Chosen: ten heartbeats of a feed worker, which sends one a second. Its lease has expired after three.
HEARTBEAT_TIMEOUT_SECONDS = 10.0
# Chosen: a frozen web server is ended, and its successor answers, within 15 s; a start takes some 3 s.
WEB_HEARTBEAT_TIMEOUT_SECONDS = 8.0
# Chosen: beat sends one between two looks at the schedule. A look takes 30 s while Redis hangs: three attempts to send
# a task, each of which may take the 10 s of `socket_timeout`.
BEAT_HEARTBEAT_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Launcher:
    """Makes programs with the properties that all processes of the stack share."""

    root: Path
    logs: Path
    environment: Mapping[str, str]

    def program(self, name: str, arguments: Sequence[str], *, stop_stage: int = FRONTENDS) -> Program:
        return Program(
            name=name,
            arguments=[sys.executable, *arguments],
            environment=self.environment,
            directory=self.root,
            log=self.logs / f"{name}.log",
            stop_stage=stop_stage,
        )

    def command(self, name: str, *arguments: str) -> Program:
        """Return a management command of Django."""
        return self.program(name, ["manage.py", name, *arguments])


def simulator(launcher: Launcher, source: Source, *, feed_port: int, rest_port: int) -> Program:
    """Return the simulator. It reads its access token from SIMULATOR_ACCESS_TOKEN: arguments are public (ps)."""
    environment = launcher.environment
    arguments = ["-m", "simulator", "--port", str(feed_port), "--rest-port", str(rest_port)]
    arguments += ["--client-id", SIMULATED_CLIENT_ID]
    arguments += ["--seed", environment.get("SIMULATOR_SEED") or "7"]
    arguments += ["--rate", environment.get("SIMULATOR_RATE") or "2000"]
    if source.master:
        arguments += ["--master", str(source.master)]
    return launcher.program("simulator", arguments, stop_stage=SOURCES)


def feed_worker(launcher: Launcher) -> Program:
    """Return the feed worker, with a heartbeat: while a frozen one lives, no other may open its connections."""
    return _loop_worker(launcher, "feed")


def analytics_worker(launcher: Launcher) -> Program:
    """Return the analytics worker; prices never wait for it."""
    return _loop_worker(launcher, "analytics")


def _loop_worker(launcher: Launcher, queue: str) -> Program:
    """Return the worker of a queue on which no task takes long: its component runs an event loop."""
    arguments = ["-m", *WORKER, "-Q", queue, "--pool", "solo", "-n", f"{queue}1@%h"]
    program = launcher.program(queue, arguments, stop_stage=WORKERS)
    return replace(program, heartbeat_seconds=HEARTBEAT_TIMEOUT_SECONDS)


def work_worker(launcher: Launcher) -> Program:
    arguments = ["-m", *WORKER, "-Q", "default", "-c", "2", "-n", "work@%h"]
    program = launcher.program("work", arguments, stop_stage=WORKERS)
    return replace(program, heartbeat_seconds=HEARTBEAT_TIMEOUT_SECONDS)


def beat(launcher: Launcher) -> Program:
    arguments = ["-m", "celery", "-A", "terminal", "beat", "--pidfile=", "--loglevel", "INFO"]
    return replace(launcher.program("beat", arguments), heartbeat_seconds=BEAT_HEARTBEAT_TIMEOUT_SECONDS)


def web(launcher: Launcher, *, host: str, port: int) -> Program:
    """Return the only web server, which opens its port."""
    address = {"uvicorn": ["--host", host, "--port", str(port)], "daphne": ["-b", host, "-p", str(port)]}
    return _web(launcher, "web", address)


def web_processes(launcher: Launcher, *, count: int, listener: int, metrics_port: int) -> list[Program]:
    """Return several web servers, which accept from the inherited socket `listener`, a file descriptor.

    The one with number n answers with its own metrics at `metrics_port` + n - 1.
    """
    programs = []
    for number in range(1, count + 1):
        variables = {
            "WEB_PROCESSES": str(count),
            "WEB_PROCESS_NUMBER": str(number),
            "WEB_METRICS_PORT": str(metrics_port),
        }
        numbered = replace(launcher, environment={**launcher.environment, **variables})
        inherited = {server: ["--fd", str(listener)] for server in ("uvicorn", "daphne")}
        programs.append(replace(_web(numbered, f"web-{number}", inherited), descriptors=(listener,)))
    return programs


def _web(launcher: Launcher, name: str, address: Mapping[str, Sequence[str]]) -> Program:
    """Return a web server: uvicorn, or daphne with ASGI_SERVER=daphne; `address` has the arguments of each."""
    start_seconds = HEARTBEAT_START_SECONDS
    match launcher.environment.get("ASGI_SERVER") or "uvicorn":
        case "uvicorn":
            # No compression. Measured: it costs three times the CPU and memory of sending a frame.
            frames = ["--ws", "websockets-sansio", "--ws-per-message-deflate", "false"]
            quietly = ["--no-access-log", "--timeout-graceful-shutdown", "1"]
            server = ["uvicorn", "terminal.asgi:application", *address["uvicorn"], *frames, *quietly]
        case "daphne":
            server = ["daphne", *address["daphne"], "--application-close-timeout", "1"]
            server += ["--access-log", "/dev/null", "terminal.asgi:application"]
            # It calls the application for the first time when a request comes, and that may be never.
            start_seconds = math.inf
        case other:
            raise DevstackError(f"ASGI_SERVER={other} is neither uvicorn nor daphne.")
    return replace(
        launcher.program(name, ["-m", *server]),
        heartbeat_seconds=WEB_HEARTBEAT_TIMEOUT_SECONDS,
        heartbeat_start_seconds=start_seconds,
    )
