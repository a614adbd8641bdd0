"""Waits for signals: SIGCHLD of a child that exited, and requests to stop.

Signal handlers only count. Python writes the number of each signal to a pipe (signal.set_wakeup_fd), and the
supervisor, the only thread, waits on that pipe. So a signal between two checks is never missed.
"""

import os
import select
import signal
import time
from types import FrameType

# One Ctrl-C may arrive twice: from the terminal to the whole process group, and forwarded by `make`. Chosen: longer
# than both take, shorter than the time between two key presses.
ECHO_SECONDS = 0.5


class SignalWaiter:
    """Counts requests to stop (Ctrl-C, SIGTERM, a closed terminal) once its handlers are installed."""

    def __init__(self) -> None:
        self.stop_requests = 0
        self._last_request_at = -ECHO_SECONDS
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def listen(self) -> None:
        """Install the handlers; Python allows this in the main thread only."""
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, self._on_child_exit)
        signal.signal(signal.SIGINT, self._count_stop_request)
        signal.signal(signal.SIGTERM, self._count_stop_request)
        # nohup starts us with SIGHUP ignored: the stack must survive the terminal.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._count_stop_request)

    def ignore_signals(self) -> None:
        """Ignore further requests: everything has stopped, and a signal would only print a traceback at exit."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def wait(self, seconds: float) -> None:
        """Return when a signal arrives, after `seconds` at the latest."""
        if select.select([self._reader], [], [], max(0.0, seconds))[0]:
            os.read(self._reader, 4_096)

    def _count_stop_request(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._last_request_at >= ECHO_SECONDS:
            self.stop_requests += 1
            self._last_request_at = now

    def _on_child_exit(self, _number: int, _frame: FrameType | None) -> None:
        """Do nothing: the byte in the pipe has ended the wait. Without a handler Python would not write it."""
