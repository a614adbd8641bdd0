"""What wakes the supervisor: a child that ended, or a wish to stop.

Signal handlers do nothing but count; Python writes each signal's number to a pipe, and
the supervisor, the only thread, sleeps on that pipe.
"""

import os
import select
import signal
import time
from types import FrameType

# One wish may arrive twice: to the whole process group, and passed on by `make`.
ECHO_SECONDS = 0.5


class SignalWaiter:
    """Counts wishes to stop (Ctrl-C, SIGTERM, a closed terminal) once it listens."""

    def __init__(self) -> None:
        self.stop_requests = 0
        self._last_request_at = -ECHO_SECONDS
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def listen(self) -> None:
        """Take over the signals of this process; from its main thread only."""
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, self._on_child_exit)
        signal.signal(signal.SIGINT, self._count_stop_request)
        signal.signal(signal.SIGTERM, self._count_stop_request)
        # Under nohup a closed terminal is no reason to stop.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._count_stop_request)

    def ignore_signals(self) -> None:
        """Ignore wishes to stop from now on: all has stopped, and the interpreter should end in peace."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def wait(self, seconds: float) -> None:
        """Sleep until a signal arrives, at most `seconds`."""
        if select.select([self._reader], [], [], max(0.0, seconds))[0]:
            os.read(self._reader, 4_096)

    def _count_stop_request(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._last_request_at >= ECHO_SECONDS:
            self.stop_requests += 1
            self._last_request_at = now

    def _on_child_exit(self, _number: int, _frame: FrameType | None) -> None:
        """Nothing to count: that the signal woke us is enough."""
