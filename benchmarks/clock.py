"""Measures wall time of an operation, and the part spent in the database: statements, driver and commit."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from django.db import connection

from benchmarks.report import Figure, record

LEAST_RATIO = 10.0  # chosen: row by row measured 10 to 150 times slower before the product was made


@dataclass
class Taken:
    """Durations in milliseconds."""

    whole: float = 0.0
    database: float = 0.0


@contextmanager
def timed() -> Iterator[Taken]:
    """Measure a block; the result is complete when the block ends."""
    taken = Taken()

    def clocked(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            started = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                taken.database += (time.perf_counter() - started) * 1_000

        return run

    # Connecting is not part of the operation.
    connection.ensure_connection()
    started = time.perf_counter()
    with (
        connection.execute_wrapper(lambda execute, *arguments: clocked(execute)(*arguments)),
        # Django has no hook for commits.
        mock.patch.object(connection.connection, "commit", clocked(connection.connection.commit)),
    ):
        yield taken
    taken.whole = (time.perf_counter() - started) * 1_000


def median_of(
    act: Callable[[], object],
    *,
    repeats: int,
    before: Callable[[], object] = lambda: None,
    after: Callable[[], object] = lambda: None,
) -> Taken:
    """Return the medians of `repeats` runs of `act` with its commit; each figure has a separate median.

    `before` and `after` prepare a run and restore the state; they are not measured.
    """
    runs = []
    for _ in range(repeats):
        before()
        with timed() as taken:
            act()
        after()
        runs.append(taken)
    return Taken(statistics.median(one.whole for one in runs), statistics.median(one.database for one in runs))


def milliseconds(act: Callable[[], object], *, repeats: int) -> float:
    """Return the median time of `act`."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        act()
        taken.append((time.perf_counter() - began) * 1_000)
    return statistics.median(taken)


def record_both(
    benchmark: str, promise: str, sets: Taken, rows: Taken, *, budget_ms: float, whole_budget_ms: float | None = None
) -> None:
    """Record set operations against row by row: the time in the database, ten times better, and the whole time."""
    record(
        Figure(
            benchmark,
            f"{promise}, database",
            sets.database,
            "ms",
            budget=budget_ms,
            alternative="row by row",
            alternative_value=rows.database,
            least_ratio=LEAST_RATIO,
        )
    )
    record(
        Figure(
            benchmark,
            f"{promise}, whole",
            sets.whole,
            "ms",
            budget=whole_budget_ms,
            alternative="row by row",
            alternative_value=rows.whole,
        )
    )
