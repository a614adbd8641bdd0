"""What all browsers of one rate get at one instant, encoded once.

Pure; times are arguments. Browsers are due at the same instants, the multiples of their interval, so those that watch
the same set and are in step get the same rows. A browser is in step if it has seen what the others saw at the instant
before, and nothing later than this one. Any other browser gets rows of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from marketdata.streaming.mirror import QuoteMirror, Slots

SHARED_SECONDS: Final = 0.03
"""Chosen: the frames of some hundred browsers are sent in that time; it is a part of the interval of 0.1 s."""

Ids = tuple[int, ...]


@dataclass(slots=True)
class Moment:
    """One instant: the version of the mirror, the versions that browsers in step have seen, and encoded rows."""

    at: float
    now_ms: int
    since: int
    version: int
    status: bytes
    """The part of the header that all browsers share (`frames.encode_status`)."""
    _rows: dict[Ids, bytes] = field(default_factory=dict)

    def is_in_step(self, seen_version: int) -> bool:
        """Return whether the shared rows continue what a browser has seen."""
        return self.since <= seen_version <= self.version

    def changes(self, mirror: QuoteMirror, ids: Ids, slots: Slots) -> bytes:
        """Return the rows that changed for browsers in step, with their ages; encoded by the first that asks."""
        rows = self._rows.get(ids)
        if rows is None:
            changed = mirror.changed_since(slots, self.since)
            rows = self._rows[ids] = mirror.rows_at(changed, now_ms=self.now_ms).tobytes()
        return rows


@dataclass(slots=True)
class _Interval:
    """The interval of one rate that runs: its number, its first version, and the one of the interval before."""

    number: int
    first: int
    before: int


class Moments:
    """The moments of one process, by rate."""

    def __init__(self) -> None:
        self._newest: dict[int, Moment] = {}
        self._intervals: dict[int, _Interval] = {}

    def get(self, rate_hz: int, *, now: float, now_ms: int, version: int, status: Callable[[], bytes]) -> Moment:
        """Return the moment of this instant; within SHARED_SECONDS the same one.

        `status` makes the shared part of the header for a new one.
        """
        newest, number = self._newest.get(rate_hz), int(now * rate_hz)
        interval = self._intervals.get(rate_hz)
        is_new = interval is None or interval.number != number
        if newest is not None and not is_new and now - newest.at <= SHARED_SECONDS:
            return newest
        if interval is None or is_new:
            # Browsers that are due now saw the first moment of the interval before, or a later one.
            before = version if interval is None else interval.first
            interval = self._intervals[rate_hz] = _Interval(number, first=version, before=before)
        moment = Moment(now, now_ms, since=interval.before, version=version, status=status())
        self._newest[rate_hz] = moment
        return moment
