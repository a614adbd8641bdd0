"""The expiries and futures that a preload rule takes, from the listing.

A rule takes the nearest n expiries of each kind and the nearest n futures, or all that are listed if they are fewer.
Prices and room are checked elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from marketdata.domain.expiries import ExpiryKind, classify
from marketdata.domain.instruments import ExchangeSegment


@dataclass(frozen=True, slots=True)
class Rule:
    """A preload rule, saved or not."""

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
    """Return the option expiries that `rule` takes of those `listed`, soonest first; none before `today`."""
    # Without strikes a rule takes futures only; its counts of expiries are ignored.
    if not rule.strikes:
        return ()
    # The kinds come from the whole listing, past expiries included: an expiry is monthly only as the last of its month.
    kinds = {expiry: kind for expiry, kind in classify(listed).items() if expiry >= today}
    weeklies = [expiry for expiry, kind in kinds.items() if kind is ExpiryKind.WEEKLY]
    # A quarterly expiry counts among the monthlies as well, so the result is a union.
    monthlies = [expiry for expiry, kind in kinds.items() if kind.is_monthly]
    quarterlies = [expiry for expiry, kind in kinds.items() if kind is ExpiryKind.QUARTERLY]
    return tuple(sorted({*weeklies[: rule.weekly], *monthlies[: rule.monthly], *quarterlies[: rule.quarterly]}))


def futures_to_hold(rule: Rule, listed: Iterable[date], *, today: date) -> tuple[date, ...]:
    """Return the expiries of the futures that `rule` takes of those `listed`: the nearest, soonest first."""
    return tuple(sorted({expiry for expiry in listed if expiry >= today}))[: rule.futures]
