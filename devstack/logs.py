"""The logs of the stack's programs: one file each, the run before kept under another name."""

import os
import shutil
from contextlib import suppress
from pathlib import Path


def rotate_logs(logs: Path) -> None:
    """Keep the logs of the run before, under names of their own."""
    for log in logs.glob("*.log"):
        log.replace(log.with_suffix(".log.1"))


def rotate_if_large(log: Path, *, most_bytes: int) -> None:
    """Keep a log that has grown large under another name and empty it, while its writer goes on to append.

    Lines written between the copy and the cut are lost. A disk too full for the copy costs the older lines.
    """
    if not log.exists() or log.stat().st_size <= most_bytes:
        return
    with suppress(OSError):
        shutil.copyfile(log, log.with_suffix(".log.1"))
    os.truncate(log, 0)


def last_lines(log: Path, *, count: int) -> list[str]:
    """Return the last lines of a log, for the message that its writer died."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8_192))
        return file.read().decode(errors="replace").splitlines()[-count:]


class LogTail:
    """Reads on in a log that grows; a line is given once, when it is whole."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._offset = log.stat().st_size if log.exists() else 0

    def new_lines(self) -> list[str]:
        """Return the whole lines written since the last call."""
        if not self._log.exists():
            return []
        with self._log.open("rb") as file:
            file.seek(self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        return whole.decode(errors="replace").splitlines() if newline else []
