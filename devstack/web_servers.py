"""The web processes of the stack: how many, on which port, and the socket that several share.

Several processes accept from one listening socket, which the supervisor opens and every process inherits. So a process
that has ended or is frozen keeps no browser waiting: the others accept what it does not, and while all of them restart
the kernel keeps new connections in the queue. With SO_REUSEPORT each process has a queue of its own, and the
connections in the queue of a frozen process wait until it is ended, then are reset.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from devstack.address import Address
from devstack.errors import DevstackError

MAX_PROCESSES = 64  # as in the settings of the product
# Chosen: each process mirrors all frames and keeps up to DATABASE_CONNECTIONS (20) connections to PostgreSQL; more than
# this must be asked for.
MAX_DEFAULT_PROCESSES = 8
BACKLOG = 2_048  # as uvicorn's, which sets it again
DATABASE_CONNECTIONS = 20  # as in the settings of the product
# Of the other processes: up to DATABASE_CONNECTIONS of the feed worker, some ten of workers, beat, leases and commands,
# and what PostgreSQL reserves for its superuser; the rest is for people.
OTHER_DATABASE_CONNECTIONS = 80


@dataclass(frozen=True, slots=True)
class WebServers:
    """The web processes of one stack; `listener` is the socket that several of them share."""

    address: Address
    count: int = 1
    listener: socket.socket | None = None


def choose_web_processes(environ: Mapping[str, str], *, cores: int | None = None) -> int:
    """Return the number of web processes: WEB_PROCESSES, or half of the cores, at least 1 and at most 8.

    The other half is for the feed worker, PostgreSQL and Redis, which `make run` has on the same machine. Raises
    DevstackError if WEB_PROCESSES is not a number from 1 to 64.
    """
    given = environ.get("WEB_PROCESSES")
    if not given:
        # Of this process, which may be bound to some cores of the machine.
        usable = cores or len(os.sched_getaffinity(0))
        return max(1, min(usable // 2, MAX_DEFAULT_PROCESSES))
    if not given.isdecimal() or not 1 <= int(given) <= MAX_PROCESSES:
        raise DevstackError(f"WEB_PROCESSES={given} is not a number from 1 to {MAX_PROCESSES}.")
    return int(given)


def count_database_connections(environ: Mapping[str, str], web_processes: int) -> int:
    """Return how many connections PostgreSQL must accept: each web process opens up to DATABASE_CONNECTIONS."""
    given = environ.get("DATABASE_CONNECTIONS", "")
    each = int(given) if given.isdecimal() else DATABASE_CONNECTIONS  # The product refuses any other text.
    return OTHER_DATABASE_CONNECTIONS + web_processes * each


@contextmanager
def web_servers(address: Address, count: int) -> Iterator[WebServers]:
    """Yield the web processes at `address`; several share a socket that listens until the end."""
    if count == 1:  # It opens its own.
        yield WebServers(address)
        return
    with listen(address) as listener:
        yield WebServers(address, count, listener)


def listen(address: Address) -> socket.socket:
    """Return a socket that listens at `address`. Raises DevstackError."""
    try:
        family, _, _, _, at = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(at[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise DevstackError(f"Cannot listen on port {address.port} of {address.host}: {error}.") from error
    # Accepted sockets inherit it (tcp(7)). Uvicorn takes an inherited socket for a Unix socket, and asyncio then does
    # not set it: frames would wait for the acknowledgement of the one before (Nagle).
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
