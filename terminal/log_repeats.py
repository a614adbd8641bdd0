"""The log handler of every process: writes a repeated line once, and then how often it was repeated.

An outage produces one line a hundred times, and the line that explains it is lost between them. Two records are the
same line if logger, level, text and traceback are equal. The first is written at once. Those of the following minute
are counted; then one line states the count, and the next minute begins. A line that was not repeated for a minute is
written in full when it comes again. No record with another text is delayed or left out.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TextIO

WINDOW_SECONDS: Final = 60.0
"""Chosen: a fault that lasts an hour costs sixty lines for each of its texts."""
MAX_LINES: Final = 1_000
"""Chosen: bounds the memory of a process whose lines all differ, to about a megabyte."""

_TRACEBACKS: Final = logging.Formatter()


@dataclass(frozen=True, slots=True)
class Line:
    """What makes two records the same line."""

    logger: str
    level: int
    text: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Repetition:
    """How often a line was repeated since it was last written."""

    line: Line
    count: int
    seconds: float


@dataclass(slots=True)
class _Window:
    began_at: float
    count: int = 0


class RepeatCounter:
    """Decides which lines are written. Pure: the caller reads the clock, in seconds."""

    def __init__(self, *, window_seconds: float = WINDOW_SECONDS, max_lines: int = MAX_LINES) -> None:
        self._window_seconds = window_seconds
        self._max_lines = max_lines
        # In the order of their beginning: all windows have one length, so the first is the first to end.
        self._windows: dict[Line, _Window] = {}

    def is_repeated(self, line: Line, now: float) -> bool:
        """Return whether `line` was written less than a window ago; it is counted then. Call `take_due` before."""
        if window := self._windows.get(line):
            window.count += 1
            return True
        self._windows[line] = _Window(now)
        return False

    def take_due(self, now: float) -> list[Repetition]:
        """Return the repetitions of all windows that have ended, and of the oldest lines above `max_lines`."""
        due: list[Repetition] = []
        while self._windows:
            line, window = next(iter(self._windows.items()))
            has_ended = now - window.began_at >= self._window_seconds
            if not has_ended and len(self._windows) <= self._max_lines:
                break
            del self._windows[line]
            if window.count:
                due.append(Repetition(line, window.count, now - window.began_at))
                if has_ended:
                    self._windows[line] = _Window(now)
        return due

    def take_all(self, now: float) -> list[Repetition]:
        """Return the repetitions of all windows, ended or not, and forget all lines."""
        all_of_them = [
            Repetition(line, window.count, now - window.began_at)
            for line, window in self._windows.items()
            if window.count
        ]
        self._windows.clear()
        return all_of_them

    def seconds_to_next(self, now: float) -> float | None:
        """Return the time until the window of the oldest repeated line ends; None if no line was repeated."""
        began = next((window.began_at for window in self._windows.values() if window.count), None)
        return None if began is None else max(0.0, began + self._window_seconds - now)


class ConsoleHandler(logging.StreamHandler[TextIO]):
    """Writes records to a stream, standard error by default, with repeated lines counted."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        window_seconds: float = WINDOW_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(stream)
        self._window_seconds = window_seconds
        self._clock = clock
        self._begin()
        # The counts belong to the parent, which reports them, and its timer thread does not exist in a child.
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._counter = RepeatCounter(window_seconds=self._window_seconds)
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, unless it repeats a line. The caller owns the lock of the handler (logging.Handler)."""
        now = self._clock()
        self._write_counts(self._counter.take_due(now))
        try:
            is_repeated = self._counter.is_repeated(_line(record), now)
        except Exception:  # noqa: BLE001  As in the library: arguments that cannot be formatted never fail the caller.
            self.handleError(record)
            return
        if is_repeated:
            self._start_timer(now)
        else:
            super().emit(record)

    def close(self) -> None:
        """Write all counts: this is called by `logging.shutdown`, at the end of the process."""
        self.acquire()
        try:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._write_counts(self._counter.take_all(self._clock()))
        finally:
            self.release()
        super().close()

    def _start_timer(self, now: float) -> None:
        """Write the counts when the first window ends, even if no record comes by then."""
        if self._timer is not None:
            return
        seconds = self._counter.seconds_to_next(now)
        if seconds is not None:
            self._timer = threading.Timer(seconds, self._on_timer)
            self._timer.daemon = True
            self._timer.start()

    def _on_timer(self) -> None:
        self.acquire()
        try:
            self._timer = None
            now = self._clock()
            self._write_counts(self._counter.take_due(now))
            self._start_timer(now)
        finally:
            self.release()

    def _write_counts(self, repetitions: list[Repetition]) -> None:
        for repetition in repetitions:
            line = repetition.line
            # The first line of a long text identifies it; the whole was written before.
            first = line.text.partition("\n")[0]
            times = "once" if repetition.count == 1 else f"{repetition.count} times"
            message = f"{first} ... repeated {times} in {max(1, round(repetition.seconds))} s"
            super().emit(logging.LogRecord(line.logger, line.level, "", 0, message, None, None))


def _line(record: logging.LogRecord) -> Line:
    if record.exc_info and not record.exc_text:
        # Formatted once: the formatter of the handler uses the text of the record.
        record.exc_text = _TRACEBACKS.formatException(record.exc_info)
    return Line(record.name, record.levelno, record.getMessage(), record.exc_text or "")
