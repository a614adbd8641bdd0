"""Expiry dates: their kinds (weekly, monthly, quarterly) and their text forms."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum

from marketdata.domain.errors import DomainError

# The exchanges' quarterly cycle.
QUARTER_MONTHS = frozenset({3, 6, 9, 12})
# Not strptime's %b: that depends on the locale.
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


class ExpiryKind(StrEnum):
    """Kind of an expiry among all those of its underlying; a quarterly is also a monthly."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"

    @property
    def is_monthly(self) -> bool:
        """Whether it counts among the monthlies."""
        return self is not ExpiryKind.WEEKLY


class MalformedDate(DomainError):
    """A date in an unsupported form."""

    code = "malformed_date"


def classify(expiries: Iterable[date]) -> Mapping[date, ExpiryKind]:
    """Return the kind of each of one underlying's listed expiries, soonest first.

    The last one of a calendar month is monthly, or quarterly in March, June, September and December.
    """
    # The dates decide, not the broker's expiry flag: that is inconsistent, SENSEX of 25 Mar 2026 is listed as M and as
    # Q (docs/dhan.md, "Instrument files").
    ordered = sorted(set(expiries))
    # The dates ascend, so a later date of a month overwrites the earlier ones.
    last_of_month = {(one.year, one.month): one for one in ordered}
    return {one: _kind(one, is_last=last_of_month[one.year, one.month] == one) for one in ordered}


def _kind(expiry: date, *, is_last: bool) -> ExpiryKind:
    if not is_last:
        return ExpiryKind.WEEKLY
    return ExpiryKind.QUARTERLY if expiry.month in QUARTER_MONTHS else ExpiryKind.MONTHLY


# ASCII: without it \d matches the digits of all scripts.
_COMPACT = re.compile(r"(\d{1,2})([A-Z]{3})(\d{4})", re.ASCII)
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)


def parse_expiry(text: str) -> date:
    """Return the date written as 26FEB2026 or 2026-02-26. Raises MalformedDate.

    >>> parse_expiry("26feb2026")
    datetime.date(2026, 2, 26)
    """
    wanted = text.strip().upper()
    try:
        if iso := _ISO.fullmatch(wanted):
            return date(int(iso[1]), int(iso[2]), int(iso[3]))
        if compact := _COMPACT.fullmatch(wanted):
            return date(int(compact[3]), MONTHS.index(compact[2]) + 1, int(compact[1]))
    except ValueError:
        # A date that no calendar has, such as 31 February: refused below like any other text.
        pass
    raise MalformedDate(f"{text[:40]!r} is not a date; write it like 26FEB2026 or 2026-02-26")
