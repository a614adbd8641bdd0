"""Tells whoever supervises this process that its loop runs, in the words of systemd's watchdog.

`NOTIFY_SOCKET` names where to tell it; without it nobody wants to know. A supervisor that hears nothing for the time
it allows kills the process: a frozen owner keeps its advisory locks and perhaps its sockets, and nobody may open them
in its place while it lives.
"""

import asyncio
import logging
import os
import socket
from typing import Final

logger = logging.getLogger(__name__)

BEAT_SECONDS: Final = 1.0
MESSAGE: Final = b"WATCHDOG=1"


async def send_heartbeats() -> None:
    """Give a sign every second, from the loop that holds the connections, for ever."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        while True:
            if address:
                _send(sender, address)
            await asyncio.sleep(BEAT_SECONDS)


def _send(sender: socket.socket, address: str) -> None:
    """Say it; a supervisor that does not listen is not waited for. A leading @ is an abstract name."""
    try:
        sender.sendto(MESSAGE, "\0" + address[1:] if address.startswith("@") else address)
    except OSError as error:
        logger.debug("nobody listens for signs of life: %s", error)
