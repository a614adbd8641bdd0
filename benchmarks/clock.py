"""How long an act takes as a whole, and of that in the database: its statements, the driver, and the commit."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from django.db import connection


@dataclass
class Taken:
    """Milliseconds."""

    whole: float = 0.0
    database: float = 0.0


@contextmanager
def timed() -> Iterator[Taken]:
    """Measure a block; what it took is there once it is left."""
    taken = Taken()

    def clocked(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            started = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                taken.database += (time.perf_counter() - started) * 1_000

        return run

    connection.ensure_connection()
    started = time.perf_counter()
    with (
        connection.execute_wrapper(lambda execute, *arguments: clocked(execute)(*arguments)),
        mock.patch.object(connection.connection, "commit", clocked(connection.connection.commit)),
    ):
        yield taken
    taken.whole = (time.perf_counter() - started) * 1_000


def median(runs: Sequence[Taken]) -> Taken:
    """Return the median of several runs, of each figure by itself."""
    return Taken(statistics.median(one.whole for one in runs), statistics.median(one.database for one in runs))


def report(name: str, sets: Taken, rows: Taken, *, budget_ms: float) -> None:
    """Print a line: the way of the product, its budget in the database, the way row by row, and the ratios."""
    print(
        f"{name:<18} sets {sets.whole:7.1f} (database {sets.database:6.1f}, budget {budget_ms:3.0f})   "
        f"rows {rows.whole:8.1f} (database {rows.database:8.1f})   "
        f"{rows.whole / sets.whole:5.1f}x (database {rows.database / sets.database:5.1f}x)"
    )
