"""The command lines of the stack: what each process is and how it wants to stop.

Pure: built from the environment that the processes get. Everything runs as
`python -m ...`, because the first line of a console script breaks at long paths.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from devstack.children import FRONTENDS, SOURCES, WORKERS, Program
from devstack.errors import DevstackError
from devstack.source import SIMULATED_CLIENT_ID, Source

WORKER = ["celery", "-A", "terminal", "worker", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]

# A feed worker gives a sign every second; its lease runs out after three.
HEARTBEAT_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Launcher:
    """What all programs of the stack have in common."""

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
        """Return a management command."""
        return self.program(name, ["manage.py", name, *arguments])


def simulator(launcher: Launcher, source: Source, *, feed_port: int, rest_port: int) -> Program:
    """Return the simulator; its access token stands in SIMULATOR_ACCESS_TOKEN, arguments being public."""
    environment = launcher.environment
    arguments = ["-m", "simulator", "--port", str(feed_port), "--rest-port", str(rest_port)]
    arguments += ["--client-id", SIMULATED_CLIENT_ID]
    arguments += ["--seed", environment.get("SIMULATOR_SEED") or "7"]
    arguments += ["--rate", environment.get("SIMULATOR_RATE") or "2000"]
    if source.master:
        arguments += ["--master", str(source.master)]
    return launcher.program("simulator", arguments, stop_stage=SOURCES)


def feed_worker(launcher: Launcher) -> Program:
    """Return the feed worker. Frozen it would hold its connections, and nobody else may open them while it lives."""
    arguments = ["-m", *WORKER, "-Q", "feed", "--pool", "solo", "-n", "feed1@%h"]
    program = launcher.program("feed", arguments, stop_stage=WORKERS)
    return replace(program, heartbeat_seconds=HEARTBEAT_TIMEOUT_SECONDS)


def work_worker(launcher: Launcher) -> Program:
    arguments = ["-m", *WORKER, "-Q", "default", "-c", "2", "-n", "work@%h"]
    return launcher.program("work", arguments, stop_stage=WORKERS)


def beat(launcher: Launcher) -> Program:
    schedule = ["--scheduler", "django_celery_beat.schedulers:DatabaseScheduler", "--pidfile=", "--loglevel", "INFO"]
    return launcher.program("beat", ["-m", "celery", "-A", "terminal", "beat", *schedule])


def web(launcher: Launcher, *, host: str, port: int) -> Program:
    """Return the web server: uvicorn, or daphne where ASGI_SERVER says so."""
    match launcher.environment.get("ASGI_SERVER") or "uvicorn":
        case "uvicorn":
            # Compressing each frame costs three times the CPU and memory of sending it.
            frames = ["--ws", "websockets-sansio", "--ws-per-message-deflate", "false"]
            quietly = ["--no-access-log", "--timeout-graceful-shutdown", "1"]
            server = ["uvicorn", "terminal.asgi:application", "--host", host, "--port", str(port), *frames, *quietly]
        case "daphne":
            server = ["daphne", "-b", host, "-p", str(port), "--application-close-timeout", "1"]
            server += ["--access-log", "/dev/null", "terminal.asgi:application"]
        case other:
            raise DevstackError(f"ASGI_SERVER={other} is neither uvicorn nor daphne.")
    return launcher.program("web", ["-m", *server])
