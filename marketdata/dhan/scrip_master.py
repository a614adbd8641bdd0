"""The broker's instrument file: its format, its rows in order, and whether it is complete.

Two formats in several generations exist (docs/dhan.md); columns are found by header name, unknown ones are ignored. The
input is an iterable of text lines. The rules for the fields of a row are in `scrip_rows`.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final

from marketdata.dhan.scrip_rows import COLUMNS, OPTIONAL_FIELDS, ExpiredRow, Layout, MasterRow, RowParser
from marketdata.domain.list_rules import SkipReason

__all__ = ["ExpiredRow", "Layout", "MasterRefused", "MasterRow", "Reading", "SkipReason", "read_rows"]

NO_SPELLINGS: Final[Mapping[str, str]] = {}

# Chosen: seven times the rows of the largest file seen (273,027 on 10 Feb 2026); bounds memory and time of an import.
MAX_ROWS: Final = 2_000_000


class MasterRefused(ValueError):
    """A file that is not a complete instrument master; the text is a sentence for operators."""


def read_rows(lines: Iterable[str], *, as_of: date, spellings: Mapping[str, str] = NO_SPELLINGS) -> "Reading":
    """Return an iterable of the instruments in `lines` that expire on `as_of` or later.

    `spellings` maps the upper-case symbol in the row of an index to the symbol of its derivatives.
    Raises MasterRefused at once for an unknown header, and during the iteration for an incomplete file. The counts of
    the result are final after the iteration.
    """
    return Reading(lines, as_of=as_of, spellings=spellings)


class Reading:
    """One pass over one file. `rows_read` is the number of rows yielded and skipped."""

    def __init__(self, lines: Iterable[str], *, as_of: date, spellings: Mapping[str, str]) -> None:
        self.rows_read = 0
        self.skipped: Counter[SkipReason] = Counter()
        self.expired: list[ExpiredRow] = []
        self._as_of = as_of
        self._records = csv.reader(lines)
        header = [name.strip().upper() for name in self._read_header()]
        self.layout = _layout_of(header)
        # Each line of the present detailed file ends in a comma: an unnamed, empty column.
        self._width = len(header) - (header[-1] == "")
        self._parser = RowParser(self.layout, header, spellings)

    def __iter__(self) -> Iterator[MasterRow]:
        """Yield the instruments in the order of the file."""
        columns = previous = self._width
        broken = ""
        for fields in self._whole_records():
            previous, columns = columns, len(fields)
            self.rows_read += 1
            # Rows end with or without that comma, whatever the header does.
            if columns == self._width or (columns == self._width + 1 and not fields[-1]):
                found = self._parser.parse(fields, self._as_of)
            else:
                found, broken = SkipReason.MALFORMED, f": line {self._records.line_num} has {columns} columns"
            if isinstance(found, MasterRow):
                yield found
            elif isinstance(found, ExpiredRow):
                self.expired.append(found)
                self.skipped[SkipReason.EXPIRED] += 1
            else:
                self.skipped[found] += 1
        if self.rows_read == 0:
            raise MasterRefused("The file has a header and no rows.")
        # A cut file ends in the middle of a row. The row before the last proves that short rows are not usual here.
        if columns < previous:
            raise MasterRefused(f"The file is cut off: its last line has {columns} columns, the one before {previous}.")
        # Chosen: over 1 % malformed rows mean a changed format; a few damaged rows must not stop the daily import.
        if self.skipped[SkipReason.MALFORMED] * 100 > self.rows_read:
            raise MasterRefused(
                f"{self.skipped[SkipReason.MALFORMED]} of {self.rows_read} rows cannot be read{broken}."
            )

    def _read_header(self) -> list[str]:
        try:
            header = next(self._records, None)
        except csv.Error as error:
            raise MasterRefused(f"The file is no table: {error}.") from error
        if not header:
            raise MasterRefused("The file is empty.")
        # A file saved by a spreadsheet starts with a byte order mark.
        header[0] = header[0].removeprefix("\ufeff")
        return header

    def _whole_records(self) -> Iterator[list[str]]:
        try:
            for fields in self._records:
                if self.rows_read >= MAX_ROWS:
                    raise MasterRefused(f"The file has more than {MAX_ROWS:,} rows.")
                if fields:
                    yield fields
        except csv.Error as error:
            raise MasterRefused(f"Line {self._records.line_num} is no table row: {error}.") from error


def _layout_of(header: Sequence[str]) -> Layout:
    names = set(header)
    for layout, columns in COLUMNS.items():
        # The name of this column differs between both formats; all generations of a format have it.
        if columns["security_id"] not in names:
            continue
        missing = sorted(name for field, name in columns.items() if field not in OPTIONAL_FIELDS and name not in names)
        if missing:
            raise MasterRefused(f"The header has no column {', '.join(missing)}.")
        return layout
    start = ",".join(header)[:60]
    raise MasterRefused(f"The first line is no header of an instrument file: {start!r}.")
