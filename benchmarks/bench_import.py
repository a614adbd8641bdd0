"""Importing the real instrument file, from empty and again, against inserting rows through the ORM.

    .venv/bin/python -m devstack exec -- .venv/bin/python -m benchmarks.bench_import

Needs the reference data beside the checkout (`../shared/data`); ends with a message if it is missing. Creates a test
database and drops it. Budgets: 30 s into an empty database, 15 s again, 6 s for parsing, a peak of 500 MB of memory.
"""

# ruff: noqa: I001  Importing the database sets Django up.

import gzip
import resource
from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import islice

from benchmarks.clock import milliseconds
from benchmarks.database import MASTER, own_database
from benchmarks.report import Figure, record

from django.db import transaction

from marketdata import services
from marketdata.dhan.scrip_master import MasterRow, read_rows
from marketdata.models import Instrument, InstrumentImport

# The day of the reference file, before the market opens.
AS_OF = date(2026, 2, 10)
NOW = datetime(2026, 2, 10, 2, 30, tzinfo=UTC)
SAMPLE = 20_000  # chosen: a tenth of the file is enough for the ratio


def seconds(act: Callable[[], object]) -> float:
    return milliseconds(act, repeats=1) / 1_000


def parse() -> None:
    """Parse every row of the file and discard it."""
    with gzip.open(MASTER, "rt", encoding="utf-8") as lines:
        assert sum(1 for _ in read_rows(lines, as_of=AS_OF)) == 205_992


def run() -> InstrumentImport:
    """Import the file."""
    record = services.import_instruments(source=str(MASTER), as_of=AS_OF, now=NOW)
    assert record.refusal == ""
    return record


def model_of(row: MasterRow) -> Instrument:
    """Return `row` as a model for the ORM, without links to other rows."""
    return Instrument(
        exchange_segment=row.segment,
        security_id=row.security_id,
        exchange=row.exchange,
        instrument_type=row.instrument_type,
        underlying_symbol=row.underlying_symbol,
        token=row.token,
        display_name=row.display_name,
        series=row.series,
        expiry=row.expiry,
        strike=row.strike,
        option_type=row.option_type or "",
        lot_size=row.lot_size,
        tick_size=row.tick_size,
        first_seen_at=NOW,
        last_changed_at=NOW,
    )


def through_orm() -> None:
    """Insert a sample of the rows with `bulk_create`, then roll back."""
    with gzip.open(MASTER, "rt", encoding="utf-8") as lines, transaction.atomic():
        models = [model_of(row) for row in islice(read_rows(lines, as_of=AS_OF), SAMPLE)]
        Instrument.objects.bulk_create(models, batch_size=1_000)
        # Rolled back: the import that follows starts from an empty table.
        transaction.set_rollback(True)


def main() -> None:
    """Measure and record."""
    if not MASTER.exists():
        print(f"bench_import: no reference data at {MASTER}")
        return
    with own_database():
        parsing = seconds(parse)
        orm = seconds(through_orm) * 205_992 / SAMPLE
        first = seconds(run)
        again = seconds(run)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    record(Figure("import", "parse the real file", parsing, "s", budget=6))
    for promise, taken, budget in (("into an empty database", first, 30), ("again", again, 15)):
        record(
            Figure(
                "import",
                f"import the real file {promise}",
                taken,
                "s",
                budget=budget,
                alternative="bulk_create alone",
                alternative_value=orm,
            )
        )
    record(Figure("import", "peak memory", peak, "MB", budget=500))


if __name__ == "__main__":
    main()
