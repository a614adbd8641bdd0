"""Sends heartbeats to the supervisor of this process, with systemd's watchdog protocol (sd_notify(3)).

`NOTIFY_SOCKET` names the supervisor's datagram socket; without it no heartbeat is sent. A supervisor that misses
heartbeats kills the process. A frozen owner keeps its advisory locks and perhaps its sockets, and no other worker may
open those connections while it lives. The web server, the work workers and beat (`terminal`) send heartbeats too.
"""

import asyncio
import logging
import os
import socket
from typing import Final, Self

logger = logging.getLogger(__name__)

# Chosen: a tenth of the supervisor's limit (10 s, docs/architecture.md), so ten beats must be lost in a row.
BEAT_SECONDS: Final = 1.0
MESSAGE: Final = b"WATCHDOG=1"


class HeartbeatSender:
    """The socket to the supervisor; a context manager."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the abstract namespace of Linux, whose names begin with a zero byte.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        # Non-blocking: a supervisor with a full queue must not stop the loop that it supervises.
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_UNIX, kind) if address else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()

    def send(self) -> None:
        """Send one heartbeat, if there is a supervisor."""
        if self._socket is None:
            return
        try:
            self._socket.sendto(MESSAGE, self._address)
        except OSError as error:
            logger.debug("heartbeat not sent: %s", error)


async def send_heartbeats() -> None:
    """Send a heartbeat each second from the event loop, until cancelled."""
    with HeartbeatSender() as sender:
        while True:
            sender.send()
            await asyncio.sleep(BEAT_SECONDS)
