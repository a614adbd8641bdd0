"""Import of the broker's instrument file: stage all rows, validate them, then merge them into `instruments`.

A file is refused, with a sentence in the record, if it is incomplete, lists nothing, names an instrument twice, lacks
the underlying indices of its derivatives, or is much shorter than the last good file of its source. The former list
then stays. Instruments are never deleted: a missing or expired one loses its `is_listed`. One transaction, so that
readers see either list; an advisory lock serializes imports.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from django.db import connection, transaction
from django.db.models.functions import Now

from marketdata import dhan_api, selectors
from marketdata.dhan import scrip_master
from marketdata.dhan.scrip_master import MasterRefused, MasterRow
from marketdata.domain.instruments import ExchangeSegment, InstrumentType
from marketdata.domain.succession import find_change_of_row
from marketdata.models import InstrumentImport
from marketdata.selectors.succession import read_pair
from marketdata.services import import_statements

logger = logging.getLogger(__name__)

# pg_advisory_xact_lock key, the letters "INST".
IMPORT_LOCK: Final = 0x494E5354
# Chosen: a file with a fifth fewer rows than the last good one counts as truncated; staff can accept it.
LEAST_SHARE: Final = 0.8
PROGRESS_ROWS: Final = 50_000  # Chosen: six lines for the real file of 273,027 rows (dhan-v2.md).
# Segments with index derivatives -> their indices by id in IDX_I; without them the list is incomplete.
KEY_INDICES: Final = {ExchangeSegment.NSE_FNO: {13: "NIFTY", 25: "BANKNIFTY"}, ExchangeSegment.BSE_FNO: {51: "SENSEX"}}
INDEX_DERIVATIVES: Final = frozenset({InstrumentType.OPTIDX, InstrumentType.FUTIDX})

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Seen:
    """Contents of the file: the security ids of its indices, and the segments with index derivatives."""

    indices: set[int]
    segments: set[ExchangeSegment]


def import_instruments(
    *,
    source: str,
    as_of: date | None = None,
    now: datetime,
    accept_fewer: bool = False,
    progress: Progress | None = None,
) -> InstrumentImport:
    """Import the instrument file at `source` (path or HTTP address) and return its record.

    A refusal is in the record, not raised. Contracts that expired before `as_of` (default: the market's date) are
    skipped. `accept_fewer` waives the comparison with the last good import.
    """
    record = InstrumentImport(source=source, as_of=as_of or selectors.market_today(), started_at=now)
    report = progress or _discard_progress
    report(f"Reading {source} as of {record.as_of} ...")
    try:
        with dhan_api.open_instrument_file(source) as lines, transaction.atomic():
            reading = scrip_master.read_rows(lines, as_of=record.as_of)
            record.layout = reading.layout
            _swap_in(reading, record, accept_fewer=accept_fewer, report=report)
            _finish(record)
    except (MasterRefused, dhan_api.InstrumentFileError) as refusal:
        record.refusal = str(refusal)
        # The transaction was rolled back: counts set before the refusal are no longer true.
        record.inserted = record.changed = record.delisted = 0
        _finish(record)
        logger.error("instrument import refused, the former list stays: %s", refusal)
    else:
        logger.info(
            "instruments imported: %s rows read, %s kept, %s new, %s changed, %s delisted",
            record.rows_read,
            record.rows_kept,
            record.inserted,
            record.changed,
            record.delisted,
        )
    return record


def note_followed(*, import_id: int, now: datetime) -> None:
    """Record that the held items were compared with the list of this import."""
    InstrumentImport.objects.filter(pk=import_id).update(followed_at=now)


def _discard_progress(_: str) -> None:
    """Ignore a progress line."""


def _finish(record: InstrumentImport) -> None:
    record.finished_at = Now()
    record.save()
    record.refresh_from_db(fields=["finished_at"])


def _swap_in(reading: scrip_master.Reading, record: InstrumentImport, *, accept_fewer: bool, report: Progress) -> None:
    with connection.cursor() as cursor:
        # An import takes longer than the statement limit of a request.
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL work_mem = '64MB'")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [IMPORT_LOCK])
        cursor.execute(import_statements.CLEAR)
        cursor.execute(import_statements.STAGE)
        seen = _stage(cursor, reading, record, report)
        _check_whole(record, seen, accept_fewer=accept_fewer)
        _check_unique(cursor)
        report(f"Comparing {record.rows_kept:,} instruments with the stored ones ...")
        # A temporary table has no statistics, and autovacuum never sees it: the joins below would use nested loops.
        cursor.execute("ANALYZE staged")
        _continue_rows(cursor, record)
        cursor.execute(import_statements.RESOLVE)
        cursor.execute("ANALYZE resolved")
        cursor.execute(import_statements.LINK)
        cursor.execute("ANALYZE links")
        cursor.execute(import_statements.DELIST, {"now": record.started_at})
        record.delisted = cursor.rowcount
        cursor.execute(import_statements.KEEP_FORMER_TERMS, {"now": record.started_at})
        cursor.execute(import_statements.UPSERT, {"now": record.started_at})
        record.inserted, record.changed = cursor.fetchone()
        if record.inserted + record.changed + record.delisted > record.rows_kept // 10:
            # Without it the planner works with old statistics until autovacuum runs, minutes later.
            cursor.execute("ANALYZE instruments")


def _continue_rows(cursor: Any, record: InstrumentImport) -> None:
    """Decide which listed rows continue under the other terms that the file has for their key."""
    cursor.execute(import_statements.CHANGED_TERMS, {"as_of": record.as_of})
    pairs = [read_pair(row) for row in cursor.fetchall()]
    cursor.execute(import_statements.CONTINUE, [[pair.former_id for pair in pairs if find_change_of_row(pair)]])


def _stage(cursor: Any, reading: scrip_master.Reading, record: InstrumentImport, report: Progress) -> _Seen:
    """Copy all rows into the staging table and count them in `record`; return the contents to validate."""
    seen = _Seen(set(), set())
    kept = 0
    with cursor.copy(import_statements.COPY) as copy:
        for kept, row in enumerate(reading, start=1):
            copy.write_row(_staged(row))
            if row.instrument_type is InstrumentType.INDEX:
                seen.indices.add(row.security_id)
            elif row.instrument_type in INDEX_DERIVATIVES:
                seen.segments.add(row.segment)
            if kept % PROGRESS_ROWS == 0:
                report(f"  {reading.rows_read:,} rows read, {kept:,} kept")
    record.rows_read, record.rows_kept = reading.rows_read, kept
    record.skipped = {reason.value: count for reason, count in sorted(reading.skipped.items())}
    return seen


def _staged(row: MasterRow) -> tuple[Any, ...]:
    return (
        int(row.segment),
        row.security_id,
        row.exchange.value,
        row.instrument_type.value,
        row.underlying_symbol,
        row.token,
        row.display_name,
        row.isin,
        row.series,
        row.security_type,
        row.expiry,
        row.strike,
        row.option_type.value if row.option_type else "",
        row.lot_size,
        row.tick_size,
        row.upper_limit,
        row.lower_limit,
        row.freeze_quantity,
    )


def _check_whole(record: InstrumentImport, seen: _Seen, *, accept_fewer: bool) -> None:
    if record.rows_kept == 0:
        raise MasterRefused(f"None of the {record.rows_read:,} rows can be kept: {_reasons(record)}.")
    for segment, indices in KEY_INDICES.items():
        missing = [name for security_id, name in indices.items() if security_id not in seen.indices]
        if segment in seen.segments and missing:
            raise MasterRefused(f"The file lists index derivatives of {segment.name} but not {', '.join(missing)}.")
    last = (
        InstrumentImport.objects.filter(source=record.source, refusal="", finished_at__isnull=False)
        .order_by("-started_at", "-id")
        .first()
    )
    if last is not None and not accept_fewer and record.rows_read < last.rows_read * LEAST_SHARE:
        raise MasterRefused(
            f"The file has {record.rows_read:,} rows, more than 20 % fewer than the {last.rows_read:,} of the last "
            f"import of {last.started_at:%d %b %Y}."
        )


def _reasons(record: InstrumentImport) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in record.skipped.items())


def _check_unique(cursor: Any) -> None:
    cursor.execute(import_statements.DUPLICATES)
    twice = [f"{ExchangeSegment(segment).name}:{security_id}" for segment, security_id, _ in cursor.fetchall()]
    if twice:
        raise MasterRefused(f"The file lists instruments twice: {', '.join(twice)}.")
