"""Type-ahead search of the real instrument list against a scan for the text, on the same database in the same run.

    .venv/bin/python -m devstack exec -- .venv/bin/python -m benchmarks.bench_search

Needs the reference data beside the checkout (`../shared/data`); ends with a message if it is missing. Creates a test
database and drops it. Budget: a median of 20 ms for each query, with hits and suggestions. The first misspelled query
after an import also makes the spelling index: its time and its memory stand on the first line.
"""

# ruff: noqa: I001  Importing the database sets Django up.

import tracemalloc
from datetime import UTC, date, datetime

from benchmarks.clock import milliseconds
from benchmarks.database import MASTER, own_database
from benchmarks.report import Figure, record

from django.conf import settings
from django.db.models import Q

from marketdata import selectors, services
from marketdata.models import Instrument
from marketdata.selectors import spelling

AS_OF = date(2026, 2, 10)  # the day of the reference file: later, its contracts would have expired
BUDGET_MS = 20  # chosen: the answer keeps up with typing
REPEATS = 15  # chosen: a query takes milliseconds
QUERIES = (
    "n",
    "rel",
    "nifty",
    "nifty 50",
    "hdfc bank",
    "crudeoil",
    "nifty 25000 ce",
    "nifty 25000 ce 24 feb",
    "nifty 2500",
    "banknifty fut",
    "reliance ce",
    "zzz",
    "NIFTY26FEB25000CE",
    "NIFTY-Feb2026-25000-CE",
    "NSE:RELIANCE-EQ",
    "25k nifty ce",
    "relaince",
    "banknify 60000 pe",
    "hdfc bnk",
)


def scan(query: str) -> list[Instrument]:
    """Find all words anywhere in token or name, ordered by token: the naive query."""
    rows = Instrument.objects.filter(is_listed=True)
    for word in query.split():
        rows = rows.filter(Q(token__icontains=word) | Q(display_name__icontains=word))
    return list(rows.order_by("token")[:20])


def measure_spelling_index() -> None:
    """Make the spelling index twice: timed, then with its memory traced, which slows it down."""
    took = milliseconds(spelling.read_spelling_index, repeats=3)
    tracemalloc.start()
    index = spelling.read_spelling_index()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"spelling index: {len(index):,} words")
    record(Figure("search", "spelling index, once per import", took, "ms"))
    record(Figure("search", "spelling index, memory", kept / 2**20, "MiB"))


def main() -> None:
    """Measure and record."""
    if not MASTER.exists():
        print(f"bench_search: no reference data at {MASTER}")
        return
    settings.MARKET_DATE = AS_OF
    with own_database():
        services.import_instruments(source=str(MASTER), as_of=AS_OF, now=datetime(2026, 2, 10, 2, 30, tzinfo=UTC))
        measure_spelling_index()
        for query in QUERIES:
            fast = milliseconds(lambda query=query: selectors.search_instruments(query=query), repeats=REPEATS)  # type: ignore[misc]
            slow = milliseconds(lambda query=query: scan(query), repeats=3)  # type: ignore[misc]
            record(
                Figure(
                    "search",
                    f"search {query!r}",
                    fast,
                    "ms",
                    budget=BUDGET_MS,
                    alternative="scan",
                    alternative_value=slow,
                )
            )


if __name__ == "__main__":
    main()
