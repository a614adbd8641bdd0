"""How many browsers one web process takes: fewer than it has file descriptors, so that it goes on to answer.

A process without descriptors can accept nobody, ask no server anything and not even say so. So some are kept for
requests, the database and Redis, and a browser beyond that is told to come back later (1013), when another process
or another minute has room.
"""

import resource
from dataclasses import dataclass
from typing import Any, Final

TRY_AGAIN_LATER: Final = 1013
"""RFC 6455's registry: the server is too busy. Browsers come back after a pause."""
KEPT_DESCRIPTORS: Final = 160
"""For the database (20), Redis, log files, and a hundred requests at a time."""


@dataclass(slots=True)
class Sockets:
    """The browser sockets of this process."""

    open: int = 0

    @property
    def most(self) -> int:
        """Return how many may be open: read anew, since the limit can be changed while the process runs."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return max(limit - KEPT_DESCRIPTORS, limit // 4)

    @property
    def is_full(self) -> bool:
        """Whether the next browser is sent away."""
        return self.open >= self.most


sockets: Final = Sockets()


def take_all_descriptors() -> None:
    """Raise the soft limit of open files to the hard one: the usual 1,024 is for programs that use select(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Admission:
    """Lets a WebSocket in, or asks it to come back later. The outermost layer: one sent away costs nothing more."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one socket."""
        if sockets.is_full:
            # Accepted first: a browser cannot read the code of a socket that never opened.
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
            return
        sockets.open += 1
        try:
            await self._inner(scope, receive, send)
        finally:
            sockets.open -= 1
