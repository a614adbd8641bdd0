"""Import of the broker's instrument file: stage all rows, judge them, then merge them into `instruments`.

A file is refused, with a sentence in the record, if it is incomplete, lists nothing, names an instrument twice with
different rows, lacks the underlying indices of its derivatives, or if a rule of `domain.list_rules` has a finding. The
former list then stays. Staff may accept the findings of a record: the next import passes if it has no others.
Instruments are never deleted: a missing or expired one loses its `is_listed`. One transaction, so that readers see
either list; an advisory lock serializes imports.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from marketdata import notices, selectors
from marketdata.dhan import scrip_master
from marketdata.dhan.scrip_master import MasterRefused, MasterRow
from marketdata.domain.changes import EVERYTHING
from marketdata.domain.instruments import ExchangeSegment, InstrumentType
from marketdata.domain.list_rules import (
    FileFacts,
    Finding,
    GroupChange,
    LastFile,
    ListRule,
    SkipReason,
    is_covered,
    judge,
)
from marketdata.domain.succession import find_change_of_row
from marketdata.instrument_file import InstrumentFileError, open_instrument_file
from marketdata.models import IndexSpelling, InstrumentImport
from marketdata.selectors.imports import accepted_imports
from marketdata.selectors.succession import read_pair
from marketdata.services import import_statements, list_comparison

logger = logging.getLogger(__name__)

# pg_advisory_xact_lock key, the letters "INST".
IMPORT_LOCK: Final = 0x494E5354
PROGRESS_ROWS: Final = 50_000  # Chosen: six lines for the real file of 273,027 rows (dhan-v2.md).
# Chosen: around midnight two right clocks show different dates; clocks that differ by more are not both right.
CLOCK_TOLERANCE: Final = timedelta(hours=1)
# Segments with index derivatives -> their indices by id in IDX_I; without them the list is incomplete.
REQUIRED_INDICES: Final = {
    ExchangeSegment.NSE_FNO: {13: "NIFTY", 25: "BANKNIFTY"},
    ExchangeSegment.BSE_FNO: {51: "SENSEX"},
}
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
    accepts: int | None = None,
    is_dry_run: bool = False,
    actor: str = "",
    progress: Progress | None = None,
) -> InstrumentImport:
    """Import the instrument file at `source` (path or HTTP address) and return its record.

    A refusal is in the record, not raised. Contracts that expired before `as_of` (default: the market's date) are
    skipped. `accepts` is the id of the record whose findings staff accept. A dry run writes only its record.
    """
    record = InstrumentImport(
        source=source,
        as_of=as_of or selectors.market_today(),
        started_at=now,
        is_dry_run=is_dry_run,
        accepts=None if accepts is None else InstrumentImport.objects.filter(pk=accepts).first(),
        actor=actor,
    )
    report = progress or _discard_progress
    report(f"Reading {source} as of {record.as_of} ...")
    try:
        if accepts is not None and record.accepts is None:
            raise MasterRefused(f"There is no import {accepts} to accept.")
        # Only the date of the host can be wrong: a date that was given, or is set for a demo, is meant.
        _import_file(record, is_host_date=as_of is None and settings.MARKET_DATE is None, report=report)
    except (MasterRefused, InstrumentFileError) as refusal:
        _record_refusal(record, refusal)
    else:
        _record_success(record)
    return record


def _import_file(record: InstrumentImport, *, is_host_date: bool, report: Progress) -> None:
    """Make the list that of the file, in one transaction, which a dry run rolls back. Raises what refuses the file."""
    with open_instrument_file(record.source) as file, transaction.atomic():
        reading = scrip_master.read_rows(file.lines, as_of=record.as_of, spellings=_read_spellings())
        record.layout = reading.layout
        served_on = _other_date(file.served_at, as_of=record.as_of, now=record.started_at) if is_host_date else None
        _swap_in(reading, record, served_on=served_on, report=report)
        if record.is_dry_run:
            transaction.set_rollback(True)
        else:
            _finish(record)
            if record.inserted or record.changed or record.delisted:
                notices.publish_on_commit(EVERYTHING)


def _record_refusal(record: InstrumentImport, refusal: Exception) -> None:
    record.refusal = str(refusal)
    # The transaction was rolled back: counts set before the refusal are no longer true.
    record.inserted = record.changed = record.delisted = 0
    _finish(record)
    if not record.is_dry_run:
        logger.error("instrument import refused, the former list stays: %s", refusal)


def _record_success(record: InstrumentImport) -> None:
    if record.is_dry_run:
        _finish(record)
    logger.info(
        "instruments %s: %s rows read, %s kept, %s new, %s changed, %s delisted",
        "compared in a dry run" if record.is_dry_run else "imported",
        record.rows_read,
        record.rows_kept,
        record.inserted,
        record.changed,
        record.delisted,
    )
    if _is_large(record) and not record.is_dry_run:
        _vacuum()


def note_followed(*, import_id: int, now: datetime) -> None:
    """Record that the held items were compared with the list of this import."""
    InstrumentImport.objects.filter(pk=import_id).update(followed_at=now)


def _is_large(record: InstrumentImport) -> bool:
    """Return whether the import wrote more than a tenth of the list."""
    return record.inserted + record.changed + record.delisted > record.rows_kept // 10


def _vacuum() -> None:
    """Mark the pages that the import wrote as visible to all, and empty the pending list of the word index.

    Without it every search reads both, until autovacuum runs, minutes later.
    """
    if connection.in_atomic_block:  # VACUUM cannot run in a transaction of the caller.
        return
    with connection.cursor() as cursor:
        try:
            cursor.execute("SET statement_timeout = 0")
            try:
                cursor.execute("VACUUM instruments")
            finally:
                cursor.execute("RESET statement_timeout")
        except DatabaseError as error:
            logger.warning("instruments not vacuumed (%s); autovacuum follows", type(error).__name__)


def _discard_progress(_: str) -> None:
    """Ignore a progress line."""


def _finish(record: InstrumentImport) -> None:
    record.finished_at = Now()
    record.save()
    record.refresh_from_db(fields=["finished_at"])


def _read_spellings() -> dict[str, str]:
    return dict(IndexSpelling.objects.values_list("spelling", "symbol"))


def _other_date(served_at: datetime | None, *, as_of: date, now: datetime) -> date | None:
    """Return the date at the server of the file, in IST, if it is not the date of this host."""
    if served_at is None or abs(served_at - now) <= CLOCK_TOLERANCE:
        return None
    there = served_at.astimezone(selectors.IST).date()
    return there if there != as_of else None


def _swap_in(
    reading: scrip_master.Reading, record: InstrumentImport, *, served_on: date | None, report: Progress
) -> None:
    with connection.cursor() as cursor:
        # An import takes longer than the statement limit of a request.
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL work_mem = '64MB'")
        # Where the server commits asynchronously, `_vacuum` would find no row that is visible to all.
        cursor.execute("SET LOCAL synchronous_commit = on")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [IMPORT_LOCK])
        cursor.execute(import_statements.CLEAR)
        cursor.execute(import_statements.STAGE)
        seen = _stage(cursor, reading, record, report)
        _check_whole(record, seen)
        _remove_repetitions(cursor, record)
        report(f"Comparing {record.rows_kept:,} instruments with the stored ones ...")
        list_comparison.stage_expired(cursor, reading.expired)
        # A temporary table has no statistics, and autovacuum never sees it: the joins below would use nested loops.
        cursor.execute("ANALYZE staged")
        _judge(record, list_comparison.compare(cursor, as_of=record.as_of, expired=reading.expired), served_on)
        _continue_rows(cursor, record)
        cursor.execute(import_statements.RESOLVE)
        cursor.execute("ANALYZE resolved")
        cursor.execute(import_statements.LINK)
        cursor.execute("ANALYZE links")
        _note_series_without_spot(cursor, record)
        cursor.execute(import_statements.DELIST, {"now": record.started_at})
        record.delisted = cursor.rowcount
        cursor.execute(import_statements.KEEP_FORMER_TERMS, {"now": record.started_at})
        cursor.execute(import_statements.UPSERT, {"now": record.started_at})
        record.inserted, record.changed = cursor.fetchone()
        if _is_large(record):
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


def _check_whole(record: InstrumentImport, seen: _Seen) -> None:
    if record.rows_kept == 0:
        raise MasterRefused(f"None of the {record.rows_read:,} rows can be kept: {_reasons(record)}.")
    for segment, indices in REQUIRED_INDICES.items():
        missing = [name for security_id, name in indices.items() if security_id not in seen.indices]
        if segment in seen.segments and missing:
            raise MasterRefused(f"The file lists index derivatives of {segment.name} but not {', '.join(missing)}.")


def _reasons(record: InstrumentImport) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in record.skipped.items())


def _remove_repetitions(cursor: Any, record: InstrumentImport) -> None:
    """Take repeated lines and contracts under two ids once. Raises MasterRefused for one key with different rows."""
    cursor.execute(import_statements.DUPLICATES)
    if cursor.fetchall():
        _skip(record, SkipReason.REPEATED, list_comparison.remove_repeated_lines(cursor))
        cursor.execute(import_statements.DUPLICATES)
    twice = [f"{ExchangeSegment(segment).name}:{security_id}" for segment, security_id, _ in cursor.fetchall()]
    if twice:
        raise MasterRefused(f"The file lists instruments twice, with different rows: {', '.join(twice)}.")
    second_ids = list_comparison.remove_second_ids(cursor)
    if second_ids:
        _skip(record, SkipReason.SECOND_ID, len(second_ids))
        _note(record, f"Contracts under a second id, left out: {list_comparison.enumerate_names(second_ids)}.")


def _skip(record: InstrumentImport, reason: SkipReason, count: int) -> None:
    record.rows_kept -= count
    record.skipped[reason.value] = count


def _note_series_without_spot(cursor: Any, record: InstrumentImport) -> None:
    names = list_comparison.list_series_without_spot(cursor)
    if names:
        _note(record, f"Series without a spot: {list_comparison.enumerate_names(names)}.")


def _note(record: InstrumentImport, sentence: str) -> None:
    record.notes.append(sentence)
    logger.warning("instrument import: %s", sentence)


def _judge(record: InstrumentImport, compared: list_comparison.Comparison, served_on: date | None) -> None:
    """Write the comparison and the findings into `record`. Raises MasterRefused for a finding that is not accepted."""
    found = judge(
        FileFacts(
            as_of=record.as_of,
            rows_read=record.rows_read,
            skipped=_skips_of(record),
            groups=compared.groups,
            last=_find_last_file(record.source),
            ended=compared.ended,
            long_over=compared.long_over,
            contracts=compared.contracts,
            nearest_expiry=compared.nearest_expiry,
            served_on=served_on,
            lost_indices=compared.lost_indices,
        )
    )
    record.groups = [_group_row(one) for one in compared.groups]
    record.findings = [asdict(one) for one in found]
    if not found:
        return
    sentences = " ".join(one.sentence for one in found)
    if record.accepts is None:
        raise MasterRefused(sentences)
    if not is_covered(found, _findings_of(record.accepts)):
        raise MasterRefused(f"The difference is not the one of import {record.accepts.pk}. {sentences}")


def _find_last_file(source: str) -> LastFile | None:
    last = accepted_imports().filter(source=source).order_by("-started_at", "-id").first()
    return None if last is None else LastFile(last.as_of, _skips_of(last))


def _skips_of(record: InstrumentImport) -> dict[SkipReason, int]:
    return {reason: record.skipped[reason] for reason in SkipReason if reason in record.skipped}


def _group_row(change: GroupChange) -> dict[str, str | int]:
    group = change.group
    return {
        "exchange": group.exchange,
        "segment": group.segment.name,
        "kind": group.kind,
        "listed": change.listed,
        "remaining": change.remaining,
        "kept": change.kept,
    }


def _findings_of(record: InstrumentImport) -> Sequence[Finding]:
    return [Finding(**{**one, "rule": ListRule(one["rule"])}) for one in record.findings]
