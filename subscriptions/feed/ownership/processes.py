"""Names of processes, and what can be told of one by its name: whether it still is.

A name is host, process id, start time and a random part. An id may be given out again, hardly ever with the same start
time (in ticks since the machine started). Told from /proc; where that shows nothing, nothing can be told.
"""

import os
import secrets
import socket
from pathlib import Path
from typing import Final

from subscriptions.domain.ownership import ProcessStatus

_PROCESSES: Final = Path("/proc")
_UNKNOWN_START: Final = "0"
_ENDED: Final = frozenset("ZX")


def name_this_process() -> str:
    """Return a name that no other process has, or will have."""
    _, start = _read_stat(os.getpid()) or ("", _UNKNOWN_START)
    return f"{_host()}:{os.getpid()}:{start}:{secrets.token_hex(4)}"


def process_status(name: str) -> ProcessStatus:
    """Say whether the process of a name still is. One that has ended and was not yet waited for is gone."""
    host, *rest = name.rsplit(":", 3)
    if host != _host() or len(rest) != 3 or not rest[0].isdecimal() or rest[1] == _UNKNOWN_START:
        return ProcessStatus.ELSEWHERE
    pid = int(rest[0])
    found = _read_stat(pid)
    if found is None:
        return ProcessStatus.ELSEWHERE if _is_hidden(pid) else ProcessStatus.GONE
    state, start = found
    return ProcessStatus.RUNNING if start == rest[1] and state not in _ENDED else ProcessStatus.GONE


def _host() -> str:
    return socket.gethostname()[:80]


def _is_hidden(pid: int) -> bool:
    """Say whether a process may be there though /proc does not show it: another user's, or there is no /proc."""
    if _read_stat(os.getpid()) is None:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return False


def _read_stat(pid: int) -> tuple[str, str] | None:
    """Return state and start time of a process; None if none is shown. Its own name, in brackets, may hold anything."""
    try:
        stat = (_PROCESSES / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    fields = stat.rpartition(")")[2].split()
    return fields[0], fields[19]
