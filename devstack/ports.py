"""Free loopback ports that stay free while their server restarts.

They lie below Linux's ephemeral range (from 32768, ip_local_port_range in ip(7)). Inside that range an outgoing
connection of any process could take the port while its server is down.
"""

import random
import socket
from collections.abc import Set

FIRST_PORT, LAST_PORT = 20_000, 32_000  # chosen: below the ephemeral range, above the ports of common services


def is_free(port: int, *, host: str = "127.0.0.1") -> bool:
    """Return whether a server could listen on `port` now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def choose_port(*, preferred: int | None = None, taken: Set[int] = frozenset(), count: int = 1) -> int:
    """Return the first of `count` free ports in a row, none of them in `taken`: `preferred` if it is one."""

    def is_usable(first: int) -> bool:
        ports = range(first, first + count)
        return taken.isdisjoint(ports) and all(map(is_free, ports))

    if preferred is not None and is_usable(preferred):
        return preferred
    while True:
        port = random.randint(FIRST_PORT, LAST_PORT)  # noqa: S311  not a secret
        if is_usable(port):
            return port
