"""Starts one child process, and ends it with all its descendants.

A child leads its own process group, so one signal reaches its descendants. It dies with its parent, even if the
parent is killed: Linux sends `death_signal` when the thread that started the child ends. Children must therefore be
started from the main thread. Restarts are in `supervisor`.
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

PR_SET_PDEATHSIG = 1  # from linux/prctl.h

# The stages in which the stack stops: programs that accept work, that do it, the broker, the stores. An earlier stage
# still needs the later ones while it finishes its work.
FRONTENDS, WORKERS, SOURCES, SERVERS = range(4)
# Seconds a stage has to stop. Chosen: together below 10 s, after which container runtimes kill (docker stop). Measured:
# an idle prefork worker needs up to 3 s.
STOP_TIMEOUT_SECONDS = {FRONTENDS: 1.8, WORKERS: 4.0, SOURCES: 0.8, SERVERS: 2.4}
# Chosen: far above a start on a loaded machine, which takes 30 s.
HEARTBEAT_START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Program:
    """A command line with its environment, and the way to stop it."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    log: Path
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_stage: int = FRONTENDS  # lower stages stop first; all programs of a stage stop together
    must_finish: bool = False  # a second Ctrl-C does not shorten its `stop_seconds`
    death_signal: signal.Signals = signal.SIGKILL
    heartbeat_seconds: float | None = None  # sends heartbeats; killed after this time without one
    heartbeat_start_seconds: float = HEARTBEAT_START_SECONDS  # killed after this time without a first one
    descriptors: Sequence[int] = ()  # open files that it inherits under the same numbers
    niceness: int = 0  # added to that of the supervisor (nice(2)): others have the CPU first

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
        """The return code, negative for a signal; available after `kill_group`, which reaps the child."""
        if self.process.returncode is None:
            raise ValueError(f"{self.program.name} has not been reaped")
        return self.process.returncode

    def has_exited(self) -> bool:
        """Return whether it has exited, without reaping it: a zombie keeps its process id from being reused."""
        if self.process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def send_stop_signal(self) -> None:
        """Send the stop signal to the process alone; it stops its own children in its own order."""
        if self.process.returncode is None:
            os.kill(self.pid, self.program.stop_signal)

    def kill_group(self) -> None:
        """Kill what remains of the process group, and reap the child."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """Send the stop signal, wait up to `stop_seconds`, then kill the process group."""
        self.send_stop_signal()
        wait_until(self.has_exited, seconds=self.program.stop_seconds)
        self.kill_group()


def die_with_parent(death_signal: signal.Signals, *, niceness: int = 0) -> Callable[[], None]:
    """Return the function for `preexec_fn` that makes a child die with its parent, and sets its niceness."""
    # Loaded before the fork: the child must not allocate or import between fork and exec.
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def set_death_signal() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # The parent died before prctl was called: no signal will come.
            os._exit(1)
        os.nice(niceness)

    return set_death_signal


def start(program: Program) -> Child:
    """Start `program` in a process group; its output is appended to its log."""
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
            pass_fds=program.descriptors,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            preexec_fn=die_with_parent(program.death_signal, niceness=program.niceness),  # noqa: PLW1509  this process has a single thread
        )
    return Child(program=program, process=process)
