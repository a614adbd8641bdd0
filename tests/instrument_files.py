"""Instrument files of the compact format, made from the rows of `tests/data/instrument_file.csv` and changed by tests.

The rows are real, of 10 Feb 2026: the indices, two index option series of NIFTY, one of SENSEX, options and futures of
RELIANCE and TCS, crude oil, and some shares.
"""

import csv
import gzip
import io
from collections.abc import Callable, Sequence
from pathlib import Path

ROWS = Path(__file__).parent / "data" / "instrument_file.csv"

Row = dict[str, str]
Change = Callable[[Row], Row | None]


def read_file(path: Path = ROWS) -> list[Row]:
    """Return the rows of a compact file, plain or gzip, by the names of their columns."""
    content = path.read_bytes()
    text = (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def write_file(path: Path, rows: Sequence[Row]) -> str:
    """Write `rows` as a compact file; return its path."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(buffer.getvalue().removesuffix("\n"))
    return str(path)


def changed(rows: Sequence[Row], change: Change) -> list[Row]:
    """Return copies of `rows` with `change` applied to each; rows for which it returns None are left out."""
    return [row for row in (change(dict(one)) for one in rows) if row is not None]


def is_of(row: Row, *, exchange: str = "", segment: str = "", kinds: str = "", symbol: str = "") -> bool:
    """Return whether the row has these values; `kinds` are instrument names separated by spaces."""
    return (
        exchange in {"", row["SEM_EXM_EXCH_ID"]}
        and segment in {"", row["SEM_SEGMENT"]}
        and (not kinds or row["SEM_INSTRUMENT_NAME"] in kinds.split())
        and (not symbol or row["SEM_TRADING_SYMBOL"].partition("-")[0] == symbol)
    )


def without(**values: str) -> Change:
    """Return a change that leaves out the rows with these values."""
    return lambda row: None if is_of(row, **values) else row


def edited(column: str, edit: Callable[[str], str], **values: str) -> Change:
    """Return a change that edits one column, where it is not empty, of the rows with these values."""

    def change(row: Row) -> Row:
        return row | {column: edit(row[column])} if row[column] and is_of(row, **values) else row

    return change


def later_series(rows: Sequence[Row], *, first_id: int, expiry: str, month: str) -> list[Row]:
    """Return the rows as contracts of another expiry, with new ids from `first_id` on."""
    return [
        row
        | {
            "SEM_SMST_SECURITY_ID": str(first_id + number),
            "SEM_EXPIRY_DATE": f"{expiry} 14:30:00",
            "SEM_TRADING_SYMBOL": row["SEM_TRADING_SYMBOL"].replace("Feb2026", month),
        }
        for number, row in enumerate(rows)
    ]
