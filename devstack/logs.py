"""The log files of the stack: NAME.log of each program, and its generations NAME.log.1 (the newest), NAME.log.2 ...

A generation is a file that a start of the stack or the size limit has put aside. The log of an incident must survive
the restarts that follow it, so one is deleted only if it is neither among the newest seven nor younger than a day. The
space of all generations of a program is bounded before that: a full disk stops the stores.
"""

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

KEPT_GENERATIONS = 7  # chosen: a bad evening of restarts
KEPT_SECONDS = 24 * 3600  # chosen: an incident of today is examined tomorrow
# Chosen: fourteen full generations of `supervisor.LOG_BYTES`; a program writes some 20 MB a day.
MAX_BYTES = 1_000_000_000


def rotate_logs(logs: Path) -> None:
    """Make the log of each program a generation, so that this run begins with new files."""
    for log in sorted(logs.glob("*.log")):
        if log.stat().st_size:  # An empty one would push out a generation with content.
            _make_room(log)
            log.replace(_generation(log, 1))
    for name in {path.name.partition(".log.")[0] for path in logs.glob("*.log.*")}:
        _delete_old(logs / f"{name}.log")


def rotate_if_large(log: Path, *, most_bytes: int) -> None:
    """Copy a log larger than `most_bytes` to a new generation and truncate it, while its writer continues to append.

    Lines written between copy and truncation are lost. If the disk is too full for the copy, its lines are lost.
    """
    if not log.exists() or log.stat().st_size <= most_bytes:
        return
    _make_room(log)
    with suppress(OSError):
        shutil.copyfile(log, _generation(log, 1))
    os.truncate(log, 0)
    _delete_old(log)


def _generation(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")


def _list_generations(log: Path) -> Sequence[Path]:
    """Return the generations of `log`, the newest first."""
    numbered = [path for path in log.parent.glob(f"{log.name}.*") if path.name.rpartition(".")[2].isdigit()]
    return sorted(numbered, key=lambda path: int(path.name.rpartition(".")[2]))


def _make_room(log: Path) -> None:
    """Give each generation the next number, so that 1 is free."""
    # The oldest first: no file replaces another.
    for number, path in reversed(list(enumerate(_list_generations(log), start=2))):
        path.replace(_generation(log, number))


def _delete_old(log: Path) -> None:
    total = 0
    now = time.time()
    for position, path in enumerate(_list_generations(log)):
        status = path.stat()
        total += status.st_size
        is_due = position >= KEPT_GENERATIONS and now - status.st_mtime > KEPT_SECONDS
        # The newest one stays in any case.
        if position and (is_due or total > MAX_BYTES):
            path.unlink()


def last_lines(log: Path, *, count: int) -> list[str]:
    """Return the last lines of a log, for an error message. Reads at most its last 8 KiB."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8_192))
        return file.read().decode(errors="replace").splitlines()[-count:]


class LogTail:
    """Follows a growing log; each line is returned once, when it is complete."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._offset = log.stat().st_size if log.exists() else 0

    def new_lines(self) -> list[str]:
        """Return the complete lines written since the last call."""
        if not self._log.exists():
            return []
        with self._log.open("rb") as file:
            file.seek(self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        return whole.decode(errors="replace").splitlines() if newline else []
