"""Names of processes, and the status of the process with a name.

A name is host, process id, start time and a random part. The kernel reuses process ids; the pair of id and start time
identifies one process of one boot. The status of a process on another host is never known.
"""

import os
import secrets
import socket
from typing import Final

import psutil

from subscriptions.domain.ownership import ProcessStatus

# The resolution of a start time: the kernel's USER_HZ (proc(5), starttime), 100 on every Linux platform.
TICKS_PER_SECOND: Final = 100
# Chosen: the whole name then fits into the 128 characters of `feed_leases.owner`.
HOST_CHARACTERS: Final = 80
_UNKNOWN_START: Final = "0"
_ENDED: Final = frozenset({psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD})


def name_this_process() -> str:
    """Return a name that no other process has or will have."""
    pid = os.getpid()
    return f"{_host()}:{pid}:{_read_start(pid) or _UNKNOWN_START}:{secrets.token_hex(4)}"


def process_status(name: str) -> ProcessStatus:
    """Return the status of the process with this name; a zombie is gone, since its sockets are closed."""
    host, *rest = name.rsplit(":", 3)
    if host != _host() or len(rest) != 3 or not rest[0].isdecimal() or rest[1] == _UNKNOWN_START:
        return ProcessStatus.ELSEWHERE
    pid = int(rest[0])
    start = _read_start(pid)
    if start is None:
        return ProcessStatus.ELSEWHERE if _is_hidden(pid) else ProcessStatus.GONE
    # Another start time: the kernel gave the id to a new process.
    return ProcessStatus.RUNNING if start == rest[1] else ProcessStatus.GONE


def _host() -> str:
    return socket.gethostname()[:HOST_CHARACTERS]


def _read_start(pid: int) -> str | None:
    """Return the start of a process in ticks since boot; None if it has ended or cannot be seen.

    psutil adds the boot time of the wall clock, which moves when NTP adjusts the clock. Subtracting it again gives a
    value that two processes compute alike at any time. A boot time that moved between the two reads is read again.
    """
    try:
        process = psutil.Process(pid)
        if process.status() in _ENDED:
            return None
        boot_time = None
        while boot_time != psutil.boot_time():
            boot_time = psutil.boot_time()
            created_at = psutil.Process(pid).create_time()
    except psutil.Error:
        return None
    return str(round((created_at - boot_time) * TICKS_PER_SECOND))


def _is_hidden(pid: int) -> bool:
    """Return whether a process may run although psutil does not show it: /proc is missing or mounted with hidepid."""
    if _read_start(os.getpid()) is None:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return False
