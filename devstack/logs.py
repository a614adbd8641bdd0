"""The log files of the stack: one per program, and one previous file of each, NAME.log.1."""

import os
import shutil
from contextlib import suppress
from pathlib import Path


def rotate_logs(logs: Path) -> None:
    """Rename the logs of the previous run to NAME.log.1."""
    for log in logs.glob("*.log"):
        log.replace(log.with_suffix(".log.1"))


def rotate_if_large(log: Path, *, most_bytes: int) -> None:
    """Copy a log larger than `most_bytes` to NAME.log.1 and truncate it, while its writer continues to append.

    Lines written between copy and truncation are lost. If the disk is too full for the copy, the older lines are lost.
    """
    if not log.exists() or log.stat().st_size <= most_bytes:
        return
    with suppress(OSError):
        shutil.copyfile(log, log.with_suffix(".log.1"))
    os.truncate(log, 0)


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
