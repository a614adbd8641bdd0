"""What wakes the supervisor: a child that ended, or a wish to stop.

Signal handlers do nothing but count; Python writes each signal's number to a pipe, and
the supervisor, the only thread, sleeps on that pipe.
"""

import os
import select
import signal
from types import FrameType


class Bell:
    """Counts wishes to stop (Ctrl-C, SIGTERM, a closed terminal) from its creation on."""

    def __init__(self) -> None:
        self.stops = 0
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, self._note_child)
        signal.signal(signal.SIGINT, self._note_stop)
        signal.signal(signal.SIGTERM, self._note_stop)
        # Under nohup a closed terminal is no reason to stop.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._note_stop)

    def wait(self, seconds: float) -> None:
        """Sleep until a signal arrives, at most `seconds`."""
        if select.select([self._reader], [], [], max(0.0, seconds))[0]:
            os.read(self._reader, 4_096)

    def _note_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stops += 1

    def _note_child(self, _number: int, _frame: FrameType | None) -> None:
        """Nothing to count: that the signal woke us is enough."""
