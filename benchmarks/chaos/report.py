"""The recovery table of a run, and the violations of all rounds, repeated ones counted. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.chaos.checks import Violation

NOTICED_SECONDS = 5.0
"""An act may darken rows this long after its end. Chosen: a silence is noticed after three seconds."""


@dataclass(frozen=True, slots=True)
class Period:
    """From a moment to a later one, in Unix seconds."""

    began_at: float
    ended_at: float

    def overlaps(self, other: "Period") -> bool:
        """Return whether both have a moment in common."""
        return self.began_at <= other.ended_at and other.began_at <= self.ended_at


@dataclass(slots=True)
class DarkTimes:
    """The periods in which a required row of any screen was not shown as live, from regular samples."""

    periods: list[Period] = field(default_factory=list)
    since: float | None = None

    def sample(self, *, is_dark: bool, now: float) -> None:
        """Note whether rows are dark now."""
        if is_dark and self.since is None:
            self.since = now
        elif not is_dark and self.since is not None:
            self.periods.append(Period(self.since, now))
            self.since = None

    def seconds_during(self, period: Period) -> float:
        """Return the dark seconds of a period that is over and at whose end nothing is dark."""
        shares = [min(one.ended_at, period.ended_at) - max(one.began_at, period.began_at) for one in self.periods]
        return sum(share for share in shares if share > 0)

    def recovery_after(self, act: Period) -> float:
        """Return the seconds from the end of an act to the end of the last dark period that it may have caused.

        Acts of one round that overlap share their dark periods.
        """
        reach = Period(act.began_at, act.ended_at + NOTICED_SECONDS)
        ends = [one.ended_at for one in self.periods if one.overlaps(reach)]
        return max([end - act.ended_at for end in ends], default=0.0) if max(ends, default=0.0) > act.ended_at else 0.0


@dataclass(slots=True)
class Report:
    """Recoveries by act, and violations by rule and round."""

    recoveries: dict[str, list[float]] = field(default_factory=dict)
    first: dict[tuple[int, str, str], Violation] = field(default_factory=dict)
    """The first violation of each rule and subject in each round."""
    repeated: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    acts: dict[int, Sequence[str]] = field(default_factory=dict)
    """The acts of each round."""

    def add_violation(self, number: int, violation: Violation) -> bool:
        """Count a violation of round `number`; return whether it is the first of its rule and subject there."""
        key = number, violation.rule, violation.subject
        self.repeated[key] += 1
        self.first.setdefault(key, violation)
        return self.repeated[key] == 1

    def add_recovery(self, act: str, seconds: float) -> None:
        """Record a recovery from an act."""
        self.recoveries.setdefault(act, []).append(seconds)

    def violations_of(self, act: str) -> int:
        """Return the number of violations, each rule and subject once, in the rounds of an act."""
        return sum(act in self.acts.get(number, ()) for number, _, _ in self.first)

    def lines(self) -> Sequence[str]:
        """Return the table, then each violation with its round, acts and count."""
        table = [f"{'act':<24} {'count':>5} {'p50 s':>8} {'worst s':>8} {'violations':>10}"]
        table += [
            f"{act:<24} {len(seconds):>5} {median(seconds):>8.1f} {max(seconds):>8.1f} {self.violations_of(act):>10}"
            for act, seconds in sorted(self.recoveries.items())
        ]
        every = [one for seconds in self.recoveries.values() for one in seconds]
        if every:
            table.append(f"{'all':<24} {len(every):>5} {median(every):>8.1f} {max(every):>8.1f} {len(self.first):>10}")
        return [*table, *(self._describe(key, one) for key, one in self.first.items())]

    def _describe(self, key: tuple[int, str, str], one: Violation) -> str:
        acts = " and ".join(self.acts.get(key[0], ())) or "no act"
        where = f"round {key[0]} ({acts}), {self.repeated[key]} times"
        return f"VIOLATION in {where}: {one.rule}: {one.subject}: {one.detail}"
