"""Hears from programs that they are alive, so that one that hangs is not taken for one that works.

The messages are those of systemd's watchdog (sd_notify(3), sd_watchdog_enabled(3)): the environment names a datagram
socket and an interval, the program sends `WATCHDOG=1` to it from the loop that does its work. A program that runs
under systemd with WatchdogSec= needs nothing else; here the supervisor listens. Silence counts from the first
sign on, so that a slow start is no silence.
"""

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MESSAGE: Final = b"WATCHDOG=1"
MAX_MESSAGE_BYTES: Final = 4_096


def _listen() -> tuple[socket.socket, str]:
    # An abstract name: no file to leave behind, no path to be too long. The random part keeps strangers out.
    name = f"broking-terminal-{os.getpid()}-{secrets.token_hex(8)}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    listener.bind(f"\0{name}")
    return listener, name


@dataclass(slots=True)
class HeartbeatMonitor:
    """What is heard of one program."""

    timeout_seconds: float
    last_heartbeat_at: float | None = None
    last_check_at: float | None = None
    _listener: socket.socket = field(init=False)
    _name: str = field(init=False)

    def __post_init__(self) -> None:
        self._listener, self._name = _listen()

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program must be started with to be heard."""
        return {"NOTIFY_SOCKET": f"@{self._name}", "WATCHDOG_USEC": str(round(self.timeout_seconds * 1_000_000))}

    def reset(self) -> None:
        """Expect a program that is being started: heartbeats of its predecessor count for nothing."""
        self._drain()
        self.last_heartbeat_at = None

    def has_timed_out(self, now: float) -> bool:
        """Return whether heartbeats came once and have been missing for too long. Called every second or so."""
        # Whoever slept longer than the silence allowed, the machine for instance, has heard nothing and knows nothing.
        has_slept = self.last_check_at is not None and now - self.last_check_at > self.timeout_seconds / 2
        self.last_check_at = now
        if self._drain() or (has_slept and self.last_heartbeat_at is not None):
            self.last_heartbeat_at = now
        return self.last_heartbeat_at is not None and now - self.last_heartbeat_at > self.timeout_seconds

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()

    def _drain(self) -> bool:
        """Take in what came; whether a sign was among it."""
        is_alive = False
        while True:
            try:
                is_alive = MESSAGE in self._listener.recv(MAX_MESSAGE_BYTES) or is_alive
            except BlockingIOError:
                return is_alive
