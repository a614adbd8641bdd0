"""What a preload rule holds of its underlying, given what is listed.

A rule takes the nearest n expiries of each kind, and of futures the nearest n; as many as are listed. Whether
prices are known and whether there is room is not decided here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from marketdata.domain.expiries import ExpiryKind, classify
from marketdata.domain.instruments import ExchangeSegment


@dataclass(frozen=True, slots=True)
class Rule:
    """A preload rule as it is in force."""

    rule_id: int
    segment: ExchangeSegment
    underlying: str
    weekly: int = 0
    monthly: int = 0
    quarterly: int = 0
    strikes: int = 0
    futures: int = 0

    def __str__(self) -> str:
        return f"{self.underlying} ({self.segment.name})"


def expiries_to_hold(rule: Rule, listed: Iterable[date], *, today: date) -> tuple[date, ...]:
    """Return the expiries with options that `rule` takes of those `listed`, soonest first.

    The union of the nearest weeklies, monthlies and quarterlies; a quarterly counts among the monthlies too.
    Expiries before `today` are not taken.
    """
    kinds = {expiry: kind for expiry, kind in classify(listed).items() if expiry >= today}
    weeklies = [expiry for expiry, kind in kinds.items() if kind is ExpiryKind.WEEKLY]
    monthlies = [expiry for expiry, kind in kinds.items() if kind.is_monthly]
    quarterlies = [expiry for expiry, kind in kinds.items() if kind is ExpiryKind.QUARTERLY]
    if not rule.strikes:
        return ()
    return tuple(sorted({*weeklies[: rule.weekly], *monthlies[: rule.monthly], *quarterlies[: rule.quarterly]}))


def futures_to_hold(rule: Rule, listed: Iterable[date], *, today: date) -> tuple[date, ...]:
    """Return the expiries of the futures that `rule` takes of those `listed`: the nearest, soonest first."""
    return tuple(sorted({expiry for expiry in listed if expiry >= today}))[: rule.futures]
