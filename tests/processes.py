"""Start Python programs as processes, from a fork server that has imported their libraries.

A start costs mostly imports of libraries (measured: 1.4 of the 1.8 s of CPU of a Celery worker), and the suite starts
hundreds of processes. The fork server is the one of `multiprocessing`, one per pytest process. It imports nothing of
ours that reads the environment: each child gets its own environment before it imports the settings.
"""

import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
LIBRARIES = (
    "celery.apps.worker",
    "celery.bin.worker",
    "celery.worker.components",
    "celery.worker.consumer",
    "cryptography.fernet",
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
    "uvicorn.protocols.websockets.websockets_sansio_impl",
    "yaml",
)
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([*LIBRARIES, __name__])


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

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while the process runs."""
        return self._process.exitcode

    def wait(self, seconds: float) -> int:
        """Wait for the end and return the exit code. Raises TimeoutError."""
        self._process.join(seconds)
        code = self.poll()
        if code is None:
            raise TimeoutError(f"process {self.pid} has not ended within {seconds} s")
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


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
