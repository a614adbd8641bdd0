"""What the pages and `/health` showed during one act: the row of the table of acts, and each change. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.chaos.report import DarkTimes, Period

NO_ANSWER: Final = "no answer"
HEAD: Final = f"{'act':<34} {'live after s':>12} {'dark s':>8} {'recovery s':>10}"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One sample of the pages, with the newest answer of `/health`."""

    at: float
    label: str
    """Of the chip of the first page."""
    detail: str
    """Beside the label: an age, a count or a wait."""
    health: str
    dark_rows: int
    live_age: float
    """Seconds since the last packet of the row that is shown as live and waits longest; 0 without such a row."""

    def kind(self) -> tuple[str, str, bool]:
        """Return what makes it another sight than the one before."""
        return self.label, self.health, self.dark_rows > 0


@dataclass(slots=True)
class Sightings:
    """The samples of the present act, oldest first, and the rows of the acts before."""

    seen: list[Sighting] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)

    def finish(self, title: str, act: Period, dark: DarkTimes, *, recovery: float) -> Sequence[str]:
        """Make the row of an act whose rows are live again; return its changes, and forget its samples."""
        seen = [one for one in self.seen if one.at >= act.began_at]
        age = max((one.live_age for one in seen), default=0.0)
        dark_seconds = dark.seconds_during(Period(act.began_at, seen[-1].at)) if seen else 0.0
        self.rows.append(f"{title:<34} {age:>12.1f} {dark_seconds:>8.1f} {recovery:>10.1f}")
        self.seen.clear()
        return list(_changes(seen, act))

    def table(self) -> Sequence[str]:
        """Return the row of each act under their head."""
        return [HEAD, *self.rows]


def _changes(seen: Sequence[Sighting], act: Period) -> Iterator[str]:
    """Yield a line for each change of label, health or darkness, with the seconds since the act began."""
    before: Sighting | None = None
    for one in seen:
        if before is not None and one.kind() == before.kind():
            continue
        before = one
        mark = "" if one.at < act.ended_at else " (ended)"
        chip = f"{one.label} {one.detail}".strip()
        yield f"{one.at - act.began_at:6.1f} s{mark}: {chip}; {one.dark_rows} dark rows; health {one.health}"


def describe_health(status: int, body: str) -> str:
    """Return an answer of `/health` in short: code, status and the parts that are not ok."""
    try:
        parts = json.loads(body)["parts"]
        bad = [f"{name} {part['status']}" for name, part in parts.items() if part["status"] != "ok"]
    except (ValueError, KeyError, TypeError):
        return f"{status} without a report"
    return f"{status} {', '.join(bad) or 'ok'}"
