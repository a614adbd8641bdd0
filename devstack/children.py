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
from devstack.waiting import wait_until

PR_SET_PDEATHSIG = 1  # linux/prctl.h

# The order in which the stack stops: who takes work in, who does it, whom it comes from, where it is kept.
FRONTENDS, WORKERS, SOURCES, SERVERS = range(4)
# Together below the ten seconds that a stop may take; a prefork worker at rest needs up to three of its own.
STOP_TIMEOUT_SECONDS = {FRONTENDS: 1.8, WORKERS: 4.0, SOURCES: 0.8, SERVERS: 2.4}


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
    stop_stage: int = FRONTENDS  # lower stages stop first, all of one stage together
    must_finish: bool = False  # gets its `stop_seconds` even from a user in a hurry
    death_signal: signal.Signals = signal.SIGKILL
    heartbeat_seconds: float | None = None  # killed when it sent no heartbeat for so long

    @property
    def stop_seconds(self) -> float:
        return STOP_TIMEOUT_SECONDS[self.stop_stage]


@dataclass(slots=True)
class Child:
    program: Program
    process: subprocess.Popen[bytes]
    started_at: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def exit_code(self) -> int:
        """The return code, negative for a signal; for a child that `kill_group` has buried."""
        if self.process.returncode is None:
            raise ValueError(f"{self.program.name} has not been ended")
        return self.process.returncode

    def has_exited(self) -> bool:
        """Say whether it ended, without burying it: a zombie keeps its id, so nobody else can get it."""
        if self.process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def send_stop_signal(self) -> None:
        """Send the stop signal to the process itself; it tells its own children in its own order."""
        if self.process.returncode is None:
            os.kill(self.pid, self.program.stop_signal)

    def kill_group(self) -> None:
        """Kill whatever is left of the child and its offspring, and bury the child."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """Ask, wait as long as the program may take, then kill."""
        self.send_stop_signal()
        wait_until(self.has_exited, seconds=self.program.stop_seconds)
        self.kill_group()


def die_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """Return what a child must run before its program so that it dies with its parent."""
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def set_death_signal() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # The parent died before the line above took hold.
            os._exit(1)

    return set_death_signal


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
            preexec_fn=die_with_parent(program.death_signal),  # noqa: PLW1509  this process has a single thread
        )
    return Child(program=program, process=process)
