"""How the feed is, in one word, from what the owners report and from when their frames last came.

Pure. A report says what an owner believes; only frames prove it, so a connection that reports itself live
and sends nothing is silent. Owners send a frame at least once a second. Does not know browsers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from marketdata.dhan.requests import MAX_CONNECTIONS

# One missed sign of life and half a second for a busy machine: an honest word within 2 s.
SILENT_AFTER_SECONDS: Final = 1.6


class LineState(StrEnum):
    """How one connection is, as seen from a web process."""

    LIVE = "live"
    OPENING = "opening"
    RECONNECTING = "reconnecting"
    STOPPED = "stopped"
    SILENT = "silent"  # reported live, but no frame has come
    NO_OWNER = "no_owner"


class FeedWord(StrEnum):
    """How the feed is as a whole."""

    LIVE = "live"
    PARTIAL = "partial"  # some connections are live
    RECONNECTING = "reconnecting"
    STALE = "stale"  # owners are there and nothing comes
    NO_OWNER = "no_owner"  # nobody holds a connection
    BUS_LOST = "bus_lost"  # this process cannot hear the owners


@dataclass(frozen=True, slots=True)
class Report:
    """What an owner says of its connection: a state, and the last error in words."""

    state: str
    error: str


@dataclass(frozen=True, slots=True)
class Line:
    """One connection."""

    number: int
    state: LineState
    error: str


@dataclass(frozen=True, slots=True)
class FeedState:
    """The word, and the five connections behind it."""

    word: FeedWord
    lines: tuple[Line, ...]
    # Segments that are closed, and since when (true UTC epoch in ms).
    closed: tuple[tuple[int, int], ...] = ()

    @property
    def live_count(self) -> int:
        """How many connections are live."""
        return sum(line.state is LineState.LIVE for line in self.lines)


def judge_feed(*, reports: Mapping[int, Report] | None, last_frame_at: Mapping[int, float], now: float) -> FeedState:
    """Return how the feed is; `reports` is None while the bus cannot be reached. Times are monotonic seconds."""
    lines = tuple(
        _judge_line(number, (reports or {}).get(number), last_frame_at.get(number), now)
        for number in range(1, MAX_CONNECTIONS + 1)
    )
    word = FeedWord.BUS_LOST if reports is None else _word_for({line.state for line in lines})
    return FeedState(word, lines)


def _judge_line(number: int, report: Report | None, frame_at: float | None, now: float) -> Line:
    is_heard = frame_at is not None and now - frame_at <= SILENT_AFTER_SECONDS
    if report is None:
        # An owner publishes whether it has a socket or not: frames say that it is there, not what it has.
        return Line(number, LineState.OPENING if is_heard else LineState.NO_OWNER, "")
    match report.state:
        case "live":
            state = LineState.LIVE if is_heard else LineState.SILENT
        case "stopped" | "waiting":
            state = LineState.STOPPED
        case "reconnecting" | "mute" | "failed_over":
            state = LineState.RECONNECTING
        case _:
            state = LineState.OPENING
    return Line(number, state, report.error)


def _word_for(states: set[LineState]) -> FeedWord:
    if LineState.LIVE in states:
        return FeedWord.LIVE if states == {LineState.LIVE} else FeedWord.PARTIAL
    if states & {LineState.OPENING, LineState.RECONNECTING}:
        return FeedWord.RECONNECTING
    if states & {LineState.SILENT, LineState.STOPPED}:
        return FeedWord.STALE
    return FeedWord.NO_OWNER
