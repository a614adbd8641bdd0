"""How costs grow: with live instruments, browsers, rows of the audit log, and listed instruments.

    make bench ARGS=growth
    make bench ARGS="growth --only audit --audit 10000 100000 1000000 10000000"

Each axis records its costs at every point. The alternative of a point is growth in proportion: the cost at the first
point, multiplied as the axis has grown. Plots go to `.run/bench/growth-<axis>.png`.
"""

# ruff: noqa: I001  Importing the database sets Django up.

import argparse
import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from matplotlib.figure import Figure as Plot

from benchmarks import bench_admin, bench_fanout, bench_placement, bench_search
from benchmarks.clock import median_of, milliseconds
from benchmarks.database import CAUSE, analyze, own_database
from benchmarks.report import Figure, format_number, record

from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import override_settings, setup_test_environment

from accounts.models import User
from devstack.commands import ROOT
from marketdata import selectors
from marketdata.domain.instruments import Exchange, ExchangeSegment, InstrumentType
from subscriptions.models import Claim
from subscriptions.services.claims.release import release
from subscriptions.services.placement.lock import placement
from tests.factories import NOW, insert_equities, make_equities, make_index, next_security_id

LEGS = 50  # a chain of 12 + 1 + 12 strikes
OPTIONS_EACH = 19  # chosen: about a twentieth of the listed instruments are no options, as in the real file
REPEATS = 9  # chosen: the median of nine is stable
PLOTS = ROOT / ".run" / "bench"
PLOT_INCHES = (7.0, 4.5)
POINTS: Mapping[str, Sequence[int]] = {
    "live": (1_000, 5_000, 10_000, 24_900),
    "browsers": (10, 100, 300, 1_000),
    "audit": (10_000, 100_000, 1_000_000),
    "listed": (100_000, 300_000, 1_000_000),
}
LABELS = {
    "live": "live instruments",
    "browsers": "browsers",
    "audit": "rows of the audit log",
    "listed": "listed instruments",
}
# Of the largest point, in the unit of the curve (benchmarks/README.md).
BUDGETS = {"claim of 50 legs, database": 15.0, "audit log, first page": 300.0, "search": 20.0}

INSERT_OPTIONS = """
INSERT INTO instruments (
    exchange_segment, security_id, exchange, instrument_type, underlying_symbol, token, display_name, isin, series,
    expiry, strike, option_type, lot_size, tick_size, is_listed, first_seen_at, last_changed_at
)
SELECT
    %(segment)s, %(first)s + number, %(exchange)s, %(kind)s, %(prefix)s || number / %(each)s,
    %(prefix)s || number / %(each)s || '_24FEB2026_' || 100 + number %% %(each)s || 'CE', '', '', '',
    %(expiry)s, 100 + number %% %(each)s, 'CE', 50, 0.05, true, %(now)s, %(now)s
FROM generate_series(0, %(count)s - 1) AS number
"""


@dataclass
class Curve:
    """One cost along an axis."""

    name: str
    unit: str
    points: list[tuple[int, float]] = field(default_factory=list)

    def add(self, at: int, value: float, axis: str, *, is_last: bool) -> None:
        """Add a point, and record it against growth in proportion."""
        self.points.append((at, value))
        first_at, first_value = self.points[0]
        record(
            Figure(
                "growth",
                f"{self.name}, {at:,} {LABELS[axis]}",
                value,
                self.unit,
                budget=BUDGETS.get(self.name) if is_last else None,
                is_minimum=self.unit == "/s",
                alternative="in proportion",
                alternative_value=first_value * at / first_at if at != first_at else None,
            )
        )


Measure = Callable[[Sequence[int]], Iterator[tuple[int, Mapping[tuple[str, str], float]]]]
"""Yields the costs at each point of an axis, by name and unit."""


def measure_live(points: Sequence[int]) -> Iterator[tuple[int, Mapping[tuple[str, str], float]]]:
    """Claim a chain beside so many live instruments."""
    with own_database():
        spot = make_index("BENCHSPOT", security_id=1)
        ids = [one.pk for one in make_equities(points[-1] + LEGS)]
        claimed = [ids[points[-1] :]]

        def restore() -> None:
            with placement(now=NOW):
                release(list(Claim.objects.filter(spot__isnull=False)), cause=CAUSE)

        for present in points:
            bench_placement.fill(ids[:present])
            analyze()
            taken = median_of(lambda: bench_placement.as_sets(spot, claimed), repeats=REPEATS, after=restore)
            yield (
                present,
                {
                    ("claim of 50 legs, database", "ms"): taken.database,
                    ("claim of 50 legs, whole", "ms"): taken.whole,
                },
            )


def measure_browsers(points: Sequence[int]) -> Iterator[tuple[int, Mapping[tuple[str, str], float]]]:
    """Open so many browsers that watch one chain."""
    with override_settings(REDIS_PREFIX="bench-growth"), bench_fanout.running_market() as market:
        for browsers in points:
            case = bench_fanout.Case(browsers, is_shared=True)
            with market.running_web(case) as web:
                found = asyncio.run(bench_fanout.measure(web, case, market.ids))
            yield (
                browsers,
                {
                    ("web process", "% of a core"): found.percent,
                    ("packet to browser, p99", "ms"): found.p99,
                    ("frames", "/s"): found.frames,
                },
            )


def measure_audit(points: Sequence[int]) -> Iterator[tuple[int, Mapping[tuple[str, str], float]]]:
    """Read pages of an audit log of so many rows."""
    with own_database():
        client = Client()
        client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
        written = 0
        for rows in points:
            bench_admin.write_log(written + 1, rows)
            written = rows
            analyze()
            pages = {"audit log, first page": "audit log", "audit log, searched": "audit log, searched"}
            yield (
                rows,
                {
                    (name, "ms"): milliseconds(
                        partial(bench_admin.load, client, bench_admin.PAGES[page]), repeats=bench_admin.REPEATS
                    )
                    for name, page in pages.items()
                },
            )


def measure_listed(points: Sequence[int]) -> Iterator[tuple[int, Mapping[tuple[str, str], float]]]:
    """Search among so many listed instruments; nineteen of twenty are options."""
    with override_settings(MARKET_DATE=bench_search.AS_OF), own_database():
        listed = 0
        for number, rows in enumerate(points):
            list_more(rows - listed, prefix=f"GROWN{number}N")
            listed = rows
            analyze()
            search = partial(selectors.search_instruments, query="grown0n12")
            contract = partial(selectors.search_instruments, query="grown0n12 105 ce")
            yield (
                rows,
                {
                    ("search", "ms"): milliseconds(search, repeats=REPEATS),
                    ("search of a contract", "ms"): milliseconds(contract, repeats=REPEATS),
                },
            )


def list_more(count: int, *, prefix: str) -> None:
    """Insert `count` listed instruments: shares, each with its options."""
    shares = count // (OPTIONS_EACH + 1)
    insert_equities(shares, prefix=prefix)
    values: dict[str, int | str | datetime] = {
        "segment": ExchangeSegment.NSE_FNO.value,
        "first": next_security_id(),
        "exchange": Exchange.NSE.value,
        "kind": InstrumentType.OPTSTK.value,
        "prefix": prefix,
        "each": OPTIONS_EACH,
        "expiry": "2026-02-24",
        "now": NOW,
        "count": count - shares,
    }
    with connection.cursor() as cursor:
        cursor.execute(INSERT_OPTIONS, values)


AXES: Mapping[str, Measure] = {
    "live": measure_live,
    "browsers": measure_browsers,
    "audit": measure_audit,
    "listed": measure_listed,
}


def plot(axis: str, curves: Sequence[Curve]) -> None:
    """Write the curves of one axis, one below the other: their units differ."""
    figure = Plot(figsize=(PLOT_INCHES[0], PLOT_INCHES[1] * len(curves)), layout="constrained")
    for curve, part in zip(curves, figure.subplots(len(curves), squeeze=False)[:, 0], strict=True):
        part.plot(*zip(*curve.points, strict=True), marker="o")
        for at, value in curve.points:
            part.annotate(format_number(value), (at, value), textcoords="offset points", xytext=(0, 6))
        # Room for the number above the highest point.
        highest = max(value for _, value in curve.points)
        part.set(
            xscale="log", ylim=(0, 1.15 * highest or 1.0), xlabel=LABELS[axis], ylabel=curve.unit, title=curve.name
        )
        part.grid(visible=True, alpha=0.3)
    PLOTS.mkdir(parents=True, exist_ok=True)
    path = PLOTS / f"growth-{axis}.png"
    figure.savefig(path)
    print(f"{path.relative_to(ROOT)} written", flush=True)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Define the options: the points of each axis, smallest first."""
    parser.add_argument("--only", nargs="+", choices=list(AXES), default=list(AXES), help="axes to measure")
    for axis, points in POINTS.items():
        parser.add_argument(f"--{axis}", type=int, nargs="+", default=list(points), metavar="N", help=LABELS[axis])


def main(given: argparse.Namespace) -> None:
    """Measure, record and plot."""
    setup_test_environment()
    settings.REDIS_PREFIX = "bench-growth"
    for axis in given.only:
        points = sorted(getattr(given, axis))
        curves: dict[tuple[str, str], Curve] = {}
        for at, costs in AXES[axis](points):
            for (name, unit), value in costs.items():
                curve = curves.setdefault((name, unit), Curve(name, unit))
                curve.add(at, value, axis, is_last=at == points[-1])
        plot(axis, list(curves.values()))
