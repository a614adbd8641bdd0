"""Processes of an earlier run that still live although their supervisor was killed.

A process id may be reused at any time. psutil compares the start time too before it sends a signal, so a signal never
reaches an unrelated process that has received the id in the meantime.
"""

import signal
from contextlib import suppress
from pathlib import Path

import psutil

from devstack.waiting import wait_until

# Set in the environment of every process that the stack starts; its value is the checkout. Children inherit it, so
# it identifies the descendants that outlived a killed supervisor.
CHECKOUT_VARIABLE = "BROKING_TERMINAL_CHECKOUT"
KILL_SECONDS = 5.0  # chosen: the kernel ends a killed process in milliseconds, unless it waits for a disk


def is_alive(pid: int) -> bool:
    """Return whether a process runs under `pid`. A zombie has ended; only its exit code is left."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(process: psutil.Process, *, stop_signal: signal.Signals, seconds: float) -> None:
    """End a process that is not our child: send `stop_signal`, wait, then kill."""
    with suppress(psutil.NoSuchProcess):
        process.send_signal(stop_signal)
        if not wait_until(lambda: not is_alive(process.pid), seconds=seconds):
            kill(process)


def kill(process: psutil.Process) -> None:
    """Kill a process that is not our child, and wait until it has ended."""
    with suppress(psutil.NoSuchProcess):
        process.kill()
        wait_until(lambda: not is_alive(process.pid), seconds=KILL_SECONDS)


def kill_processes_of(checkout: Path) -> None:
    """Kill every process whose environment names `checkout` in CHECKOUT_VARIABLE."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # It has ended, or another account owns it.
            if process.environ().get(CHECKOUT_VARIABLE) == str(checkout):
                kill(process)
