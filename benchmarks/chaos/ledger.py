"""What the traders were promised: every acknowledged write, and what database and audit log say of it. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from benchmarks.chaos.checks import Violation

# Chosen: the row has the time at which the server began the write, on the same clock.
CLOCK_SECONDS: Final = 1.0
SUBSCRIBE, UNSUBSCRIBE = "subscribe", "unsubscribe"  # actions of the log (subscriptions/domain/claims.py)


class Outcome(StrEnum):
    """What the answer to a write proves."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"  # an answer of the API that nothing was changed
    UNKNOWN = "unknown"  # no answer, or 5xx: the write may or may not have happened, and may yet happen


@dataclass(frozen=True, slots=True)
class Target:
    """What an entry of a list is about, as the API names it."""

    symbol: str
    kind: str
    expiry: str | None = None

    def __str__(self) -> str:
        return " ".join(filter(None, (self.symbol, self.kind, self.expiry)))


@dataclass(frozen=True, slots=True)
class Write:
    """One request of a trader and its answer; times in Unix seconds."""

    trader: str
    target: Target
    is_add: bool
    began_at: float
    ended_at: float
    outcome: Outcome
    changes: bool = True
    """Whether the answer says that something was changed: an add of an entry that is there already changes nothing."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of the audit log."""

    at: float
    action: str
    actor: str
    subject: str
    legs: int


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database holds: the entries of each trader with the number of their legs, and the rows of the log."""

    entries: Mapping[tuple[str, Target], int]
    log: Sequence[LogRow]


@dataclass(slots=True)
class Ledger:
    """All writes in order."""

    writes: list[Write] = field(default_factory=list)

    def acknowledged(self) -> Sequence[Write]:
        """Return the acknowledged writes."""
        return [one for one in self.writes if one.outcome is Outcome.ACKNOWLEDGED]

    def last_outcomes(self) -> Mapping[tuple[str, Target], Write]:
        """Return the last write of each target that changed or may have changed it."""
        return {(one.trader, one.target): one for one in self.writes if one.outcome is not Outcome.REFUSED}

    def check(self, stored: Stored, *, now: float) -> Iterator[Violation]:
        """Yield the acknowledged writes that the database or the log lacks. No write may be on its way."""
        for (trader, target), last in self.last_outcomes().items():
            if last.outcome is not Outcome.ACKNOWLEDGED:
                continue
            legs = stored.entries.get((trader, target))
            if last.is_add and legs is None:
                yield Violation(now, "an acknowledged add is stored", trader, f"{target} is missing")
            elif last.is_add and not legs:
                yield Violation(now, "an acknowledged add is claimed", trader, f"{target} has no legs")
            elif not last.is_add and legs is not None:
                yield Violation(now, "an acknowledged removal is stored", trader, f"{target} is still there")
        log = sorted(stored.log, key=_time_of)
        for write in self.acknowledged():
            if write.changes and not any(_records(row, write) for row in _rows_during(log, write)):
                verb = "add" if write.is_add else "removal"
                detail = f"{verb} of {write.target}, acknowledged after {write.ended_at - write.began_at:.1f} s"
                yield Violation(now, "an acknowledged write is audited", write.trader, detail)


def _time_of(row: LogRow) -> float:
    return row.at


def _rows_during(log: Sequence[LogRow], write: Write) -> Sequence[LogRow]:
    """Return the rows of the time of a write; `log` is in order of time."""
    first = bisect_left(log, write.began_at - CLOCK_SECONDS, key=_time_of)
    last = bisect_right(log, write.ended_at + CLOCK_SECONDS, key=_time_of)
    return log[first:last]


def _records(row: LogRow, write: Write) -> bool:
    action = SUBSCRIBE if write.is_add else UNSUBSCRIBE
    return (row.actor, row.action) == (write.trader, action) and write.target.symbol in row.subject
