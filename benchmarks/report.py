"""What the benchmarks measured: each records its figures, and a run ends with one table and one JSON file.

A figure is compared with its budget, and with an alternative that was measured in the same run. The ratio says how many
times better the product is than the alternative: below 1 it is worse. Benchmarks are programs of their own, so that a
run collects their figures in a file that RECORD_VARIABLE names; a benchmark without it only prints. Needs the standard
library alone, since `devstack` imports this module.
"""

import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

RECORD_VARIABLE = "BENCH_RECORD"
MET, MISSED = "met", "missed"
HEADINGS = ("Benchmark", "Promise", "Figure", "Budget", "Alternative", "Ratio", "Verdict")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value of one promise, in `unit`."""

    benchmark: str
    promise: str
    value: float
    unit: str
    budget: float | None = None
    is_minimum: bool = False
    """Whether more is better: the budget is the least value then, otherwise the greatest."""
    alternative: str = ""
    alternative_value: float | None = None
    least_ratio: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times better the value is than that of the alternative; None without one."""
        if self.alternative_value is None:
            return None
        better, worse = self.alternative_value, self.value
        if self.is_minimum:
            better, worse = worse, better
        return better / worse if worse else None

    @property
    def verdict(self) -> str:
        """MET if the value keeps its budget and the ratio its own, otherwise MISSED; empty without a budget."""
        kept = []
        if self.budget is not None:
            kept.append(self.value >= self.budget if self.is_minimum else self.value <= self.budget)
        if self.least_ratio is not None:
            kept.append(self.ratio is not None and self.ratio >= self.least_ratio)
        if not kept:
            return ""
        return MET if all(kept) else MISSED


@dataclass(frozen=True, slots=True)
class Ended:
    """One run of one benchmark, in this checkout or in the other one of paired runs."""

    benchmark: str
    commit: str
    exit_code: int
    seconds: float
    cpu_seconds: float
    recorded: Sequence[Figure]
    is_other: bool = False


def record(figure: Figure) -> None:
    """Print a figure, and add it to the table of the run."""
    print(describe(figure), flush=True)
    if path := os.environ.get(RECORD_VARIABLE):
        with Path(path).open("a") as file:
            file.write(json.dumps(asdict(figure)) + "\n")


def read_recorded(path: Path) -> list[Figure]:
    """Return the figures that a benchmark recorded; none if it ended before the first, or knows no record."""
    return [Figure(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def describe(figure: Figure) -> str:
    """Return a line for the output of a running benchmark."""
    _, promise, value, budget, alternative, ratio, verdict = cells_of(figure)
    parts = [f"{promise:<64} {value:>16}"]
    parts += [f"budget {budget}"] if budget else []
    parts += [f"{figure.alternative or 'alternative'} {alternative} ({ratio})"] if alternative else []
    return "   ".join([*parts, *([verdict] if verdict else [])])


def cells_of(figure: Figure) -> tuple[str, ...]:
    """Return the cells of a figure under HEADINGS."""
    limits = [] if figure.budget is None else [("≥ " if figure.is_minimum else "") + format_number(figure.budget)]
    limits += [] if figure.least_ratio is None else [f"{figure.least_ratio:g}x"]
    other = figure.alternative_value
    return (
        figure.benchmark,
        figure.promise,
        f"{format_number(figure.value)} {figure.unit}",
        ", ".join(limits),
        "" if other is None else f"{format_number(other)} {figure.unit}",
        "" if figure.ratio is None else f"{format_number(figure.ratio)}x",
        figure.verdict,
    )


def format_number(value: float) -> str:
    """Return `value` with three digits or more, and thousands separated.

    >>> [format_number(one) for one in (0, 0.0512, 9.4, 58, 1234.5)]
    ['0', '0.051', '9.40', '58.0', '1,234']
    """
    if value == 0:
        return "0"
    size = abs(value)
    return f"{value:,.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3}f}"


def make_table(runs: Sequence[Ended]) -> str:
    """Return the table of all figures of this checkout; with those of the other one beside them in paired runs."""
    others = {
        (one.benchmark, one.promise): f"{format_number(one.value)} {one.unit}"
        for run in runs
        if run.is_other
        for one in run.recorded
    }
    is_paired = any(run.is_other for run in runs)
    rows = [[*HEADINGS, *(["Other checkout"] if is_paired else [])]]
    rows += [
        [*cells_of(one), *([others.get((one.benchmark, one.promise), "")] if is_paired else [])]
        for run in runs
        if not run.is_other
        for one in run.recorded
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(_join(row, widths) for row in rows)


def _join(row: Sequence[str], widths: Sequence[int]) -> str:
    # Text to the left, numbers to the right.
    aligned = [
        cell.rjust(width) if 2 <= column <= 5 else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(aligned).rstrip()


def summarize(runs: Iterable[Ended]) -> str:
    """Return a line with the number of figures by verdict, and the benchmarks that failed."""
    mine = [run for run in runs if not run.is_other]
    counts = Counter(figure.verdict for run in mine for figure in run.recorded)
    failed = [run.benchmark for run in mine if run.exit_code]
    parts = f"{counts[MET]} met, {counts[MISSED]} missed, {counts['']} without a budget"
    sentence = f"Figures: {counts.total()} ({parts})."
    return f"{sentence} Failed: {', '.join(failed)}." if failed else sentence


def describe_host(root: Path) -> Mapping[str, Any]:
    """Return the commit of `root`, and what figures depend on: processors, load of the machine, interpreter."""
    return {
        "commit": read_commit(root),
        "is_modified": bool(_git(root, "status", "--porcelain")),
        "cores": os.cpu_count(),
        "load": [round(one, 2) for one in os.getloadavg()],
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def read_commit(root: Path) -> str:
    """Return the commit of a checkout; empty without git."""
    return _git(root, "rev-parse", "HEAD")


def _git(root: Path, *arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def write_json(
    directory: Path, runs: Sequence[Ended], *, arguments: Sequence[str], began_at: datetime, host: Mapping[str, Any]
) -> Path:
    """Write one file with date, host and every figure to `directory`; return its path."""
    directory.mkdir(parents=True, exist_ok=True)
    content = {
        "date": began_at.isoformat(timespec="seconds"),
        "arguments": list(arguments),
        **host,
        "load_after": [round(one, 2) for one in os.getloadavg()],
        "benchmarks": [{**asdict(run), "recorded": [_in_json(one) for one in run.recorded]} for run in runs],
    }
    path = directory / f"{began_at:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return path


def _in_json(figure: Figure) -> Mapping[str, Any]:
    return {**asdict(figure), "ratio": figure.ratio, "verdict": figure.verdict}
