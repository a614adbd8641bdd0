"""Locks on files. The kernel releases a lock when its owner ends, even by SIGKILL, so no lock outlives its owner."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from devstack.errors import DevstackError


def acquire(file: TextIO, *, must_wait: bool = False) -> bool:
    """Acquire the lock on an open file; return False if another process owns it. Closing the file releases it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if must_wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


@contextmanager
def single_run(lock: Path) -> Iterator[None]:
    """Own `lock` while the stack runs: one `make run` per checkout. Raises DevstackError if another run owns it."""
    with lock.open("a+") as file:
        if not acquire(file):
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise DevstackError(f"This checkout's stack is running already (process {owner}); stop that first.")
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
