"""Sends heartbeats to the supervisor of this process, with systemd's watchdog protocol (sd_notify(3)).

`NOTIFY_SOCKET` names the supervisor's datagram socket; without it no heartbeat is sent. A supervisor that misses
heartbeats kills the process. A frozen owner keeps its advisory locks and perhaps its sockets, and no other worker may
open those connections while it lives.
"""

import asyncio
import logging
import os
import socket
from typing import Final

logger = logging.getLogger(__name__)

# Chosen: a tenth of the supervisor's limit (10 s, docs/architecture.md), so ten beats must be lost in a row.
BEAT_SECONDS: Final = 1.0
MESSAGE: Final = b"WATCHDOG=1"


async def send_heartbeats() -> None:
    """Send a heartbeat each second from the event loop of the connections, until cancelled."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    # Non-blocking: a supervisor with a full queue must not stop the loop that it supervises.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        while True:
            if address:
                _send(sender, address)
            await asyncio.sleep(BEAT_SECONDS)


def _send(sender: socket.socket, address: str) -> None:
    try:
        # A leading @ stands for the abstract namespace of Linux, whose names begin with a zero byte.
        sender.sendto(MESSAGE, "\0" + address[1:] if address.startswith("@") else address)
    except OSError as error:
        logger.debug("heartbeat not sent: %s", error)
