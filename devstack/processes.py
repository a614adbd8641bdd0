"""Which processes of an earlier run still live, told apart from strangers with a reused id."""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from devstack.waiting import wait_until

# Stands in the environment of everything the stack starts; its value is the checkout. Offspring that outlived
# a killed supervisor is known by it.
CHECKOUT_VARIABLE = "BROKING_TERMINAL_CHECKOUT"


@dataclass(frozen=True, slots=True)
class Identity:
    """A process for certain: ids are reused, an id with its start time is not."""

    pid: int
    started: str  # clock ticks since boot, as /proc gives it


def identify(pid: int) -> Identity | None:
    """Return the identity of a live process, or None if there is none (a zombie is not alive)."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in brackets and may hold blanks and brackets itself.
    fields = status.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else Identity(pid=pid, started=fields[19])


def is_alive(identity: Identity) -> bool:
    return identify(identity.pid) == identity


def end(pid: int, *, politely: signal.Signals, seconds: float) -> None:
    """End a process that is not our child: ask, wait, kill."""
    with suppress(ProcessLookupError):
        os.kill(pid, politely)
        if not wait_until(lambda: identify(pid) is None, seconds=seconds):
            kill(pid)


def kill(pid: int) -> None:
    """Kill a process that is not our child, and wait until it is gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: identify(pid) is None, seconds=5.0)


def kill_processes_of(mark: Path) -> None:
    """Kill every process that was started with `mark` in its environment, and whatever inherited it."""
    wanted = f"{CHECKOUT_VARIABLE}={mark}".encode()
    for directory in Path("/proc").glob("[0-9]*"):
        if wanted in _environment(directory):
            kill(int(directory.name))


def _environment(directory: Path) -> list[bytes]:
    try:
        return (directory / "environ").read_bytes().split(b"\0")
    except OSError:  # Gone, or not ours to read.
        return []
