"""One child process: how it is started, and how it and all its offspring are ended.

A child leads its own process group and dies with its parent, however the parent ends:
Linux sends `death_signal` when the thread that started it is gone. So children must be
started from the main thread. Whether a child is started again is `supervisor`'s business.
"""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from devstack.privileges import Account

PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and how it wants to be stopped."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    log: Path
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 4.0
    death_signal: signal.Signals = signal.SIGKILL


@dataclass(slots=True)
class Child:
    program: Program
    process: subprocess.Popen[bytes]
    started_at: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        return self.process.pid

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def ask_to_stop(self) -> None:
        """Send the stop signal to the process itself; it tells its own children in its own order."""
        if not self.has_ended():
            self.process.send_signal(self.program.stop_signal)

    def end_group(self) -> None:
        """Kill whatever is left of the child and its offspring."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, *, seconds: float | None = None) -> None:
        """Ask, wait at most `seconds` (the program's own patience by default), then kill."""
        self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(self.program.stop_seconds if seconds is None else seconds)
        self.end_group()


def tether(death_signal: signal.Signals) -> Callable[[], None]:
    """Return what a child must run before its program so that it dies with its parent."""
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def tie() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # The parent died before the line above took hold.
            os._exit(1)

    return tie


def start(program: Program) -> Child:
    """Start `program` in its own process group, its output appended to its log."""
    account = program.account
    with program.log.open("ab") as log:
        process = subprocess.Popen(
            program.arguments,
            env=dict(program.environment),
            cwd=program.directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            preexec_fn=tether(program.death_signal),  # noqa: PLW1509  this process has a single thread
        )
    return Child(program=program, process=process)


def last_lines(log: Path, *, count: int = 5) -> list[str]:
    """Return the last lines of a log, for the message that its writer died."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8_192))
        return file.read().decode(errors="replace").splitlines()[-count:]
