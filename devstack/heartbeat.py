"""Receives heartbeats of a program, to detect one that hangs while its process still lives.

The protocol is systemd's watchdog (sd_notify(3), sd_watchdog_enabled(3)): the environment names a datagram socket and
an interval, and the program sends `WATCHDOG=1` from the loop that does its work. So the same program works under
systemd with WatchdogSec=; here the supervisor receives the messages. The timeout starts with the first heartbeat, so
a slow start never triggers it; a start has a longer limit of its own.
"""

import os
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MESSAGE: Final = b"WATCHDOG=1"
MAX_MESSAGE_BYTES: Final = 4_096  # chosen: a page; a heartbeat has 10 bytes


def _listen() -> tuple[socket.socket, str]:
    # An abstract address (unix(7)): no file remains, and no path is too long. The random part cannot be guessed.
    name = f"broking-terminal-{os.getpid()}-{secrets.token_hex(8)}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    listener.bind(f"\0{name}")
    return listener, name


@dataclass(slots=True)
class HeartbeatMonitor:
    """The heartbeats of one program."""

    timeout_seconds: float
    start_seconds: float
    started_at: float = field(default_factory=time.monotonic)
    last_heartbeat_at: float | None = None
    last_check_at: float | None = None
    _listener: socket.socket = field(init=False)
    _name: str = field(init=False)

    def __post_init__(self) -> None:
        self._listener, self._name = _listen()

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables with which the program must be started."""
        return {"NOTIFY_SOCKET": f"@{self._name}", "WATCHDOG_USEC": str(round(self.timeout_seconds * 1_000_000))}

    def reset(self, now: float) -> None:
        """Discard the heartbeats of a predecessor, before the program is restarted."""
        self._drain()
        self.started_at, self.last_heartbeat_at = now, None

    def has_timed_out(self, now: float) -> bool:
        """Return whether heartbeats have been missing for too long. Called every second or so."""
        # After a pause of the supervisor itself (a suspended machine) the missing heartbeats prove nothing: the timeout
        # starts again.
        was_paused = self.last_check_at is not None and now - self.last_check_at > self.timeout_seconds / 2
        self.last_check_at = now
        if self._drain() or (was_paused and self.last_heartbeat_at is not None):
            self.last_heartbeat_at = now
        since = self.started_at if self.last_heartbeat_at is None else self.last_heartbeat_at
        return now - since > self.limit_seconds

    @property
    def limit_seconds(self) -> float:
        """The limit in force: that of a start before the first heartbeat."""
        return self.start_seconds if self.last_heartbeat_at is None else self.timeout_seconds

    def close(self) -> None:
        """Close the socket."""
        self._listener.close()

    def _drain(self) -> bool:
        """Read all waiting messages; return whether one was a heartbeat."""
        is_alive = False
        # All waiting messages: a backlog would keep a program alive that has stopped.
        while True:
            try:
                is_alive = MESSAGE in self._listener.recv(MAX_MESSAGE_BYTES) or is_alive
            except BlockingIOError:
                return is_alive
