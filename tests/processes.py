"""Start Python programs as processes, from a fork server that has imported their modules.

A start costs mostly imports (measured: 2.3 of the 2.7 s of CPU of a feed worker), and the suite starts hundreds of
processes. The fork server is the one of `multiprocessing`, one per pytest process. It imports our modules and keeps no
settings (`tests.preloaded`): each child reads those of its own environment.
"""

import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
LIBRARIES = (
    "celery.app.amqp",
    "celery.app.control",
    "celery.app.log",
    "celery.app.routes",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.solo",
    "celery.contrib.django.task",
    "celery.events",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.consumer.delayed_delivery",
    "cryptography.fernet",
    "devstack.stack",
    "django.contrib.admin.apps",
    "django.core.management",
    "django.core.serializers.json",
    "django.db.backends.postgresql.psycopg_any",
    "django.http",
    "django.urls",
    "httpx",
    "kombu.transport.redis",
    "numpy",
    "picows",
    "psutil",
    "redis.asyncio",
    "simulator.server",
    "uvicorn.main",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
    "yaml",
)
_CONTEXT = multiprocessing.get_context("forkserver")
# Without Django a program of its own, as a benchmark of the simulator, has no settings to load.
_OURS = ("tests.preloaded",) if "DJANGO_SETTINGS_MODULE" in os.environ else ()
_CONTEXT.set_forkserver_preload([*LIBRARIES, *_OURS, __name__])

_started: set[int] = set()
"""The ids of the processes whose end nobody has waited for."""


class PythonProcess:
    """`python -m MODULE ARGUMENTS` in the repository, started at once; its output and errors go to the file `output`.

    It has those methods of `subprocess.Popen` that tests need.
    """

    def __init__(self, module: str, arguments: Sequence[str], *, environment: Mapping[str, str], output: Path) -> None:
        output.write_bytes(b"")  # Readers may come before the child.
        # As a daemon it is ended with the pytest process.
        self._process = _CONTEXT.Process(
            target=_run, args=(module, list(arguments), dict(environment), output), daemon=True
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        _started.add(self.pid)

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while the process runs."""
        return self._process.exitcode

    def wait(self, seconds: float) -> int:
        """Wait for the end and return the exit code. Raises TimeoutError."""
        self._process.join(seconds)
        code = self.poll()
        if code is None:
            raise TimeoutError(f"process {self.pid} has not ended within {seconds} s")
        _started.discard(self.pid)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run_delays() -> Mapping[str, float]:
    """Return how long each thread of the running processes was ready and waited for a processor, in seconds."""
    delays: dict[str, float] = {}
    for pid in list(_started):
        # A process or a thread may end at any step.
        with suppress(FileNotFoundError, ProcessLookupError):
            for status in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with suppress(FileNotFoundError, ProcessLookupError):
                    # Nanoseconds on a processor, and ready without one (proc(5), the kernel's sched-stats.rst).
                    delays[status.parent.name] = int(status.read_text().split()[1]) / 1e9
    return delays


def _run(module: str, arguments: list[str], environment: dict[str, str], output: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(REPOSITORY)
    sys.dont_write_bytecode = False  # Otherwise each process may compile our modules again.
    with output.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["-m", *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
