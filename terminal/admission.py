"""Admission control for browser sockets: a web process accepts fewer than it has file descriptors.

A process without free descriptors can neither accept a connection nor reach a server. So some descriptors are reserved
for requests, the database and Redis. A socket beyond the limit is closed with 1013, and the browser retries later.
"""

import resource
from dataclasses import dataclass
from typing import Any, Final

TRY_AGAIN_LATER: Final = 1013
"""WebSocket close code registry of IANA (RFC 6455): the server is overloaded. Browsers retry after a pause."""
KEPT_DESCRIPTORS: Final = 160
"""Chosen: DATABASE_CONNECTIONS (20), Redis, log files, and a hundred concurrent requests."""


@dataclass(slots=True)
class Sockets:
    """The browser sockets of this process."""

    open: int = 0

    @property
    def most(self) -> int:
        """Return the maximum number of open sockets. The descriptor limit can change at run time."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return max(limit - KEPT_DESCRIPTORS, limit // 4)

    @property
    def is_full(self) -> bool:
        """Whether the next browser socket is refused."""
        return self.open >= self.most


sockets: Final = Sockets()


def take_all_descriptors() -> None:
    """Raise the soft limit of open files to the hard one: the usual 1,024 only suits programs that use select(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Admission:
    """ASGI middleware that accepts or refuses a WebSocket. Outermost, so that a refused one costs no session lookup."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one socket."""
        if sockets.is_full:
            # Accept first: a browser cannot read the close code of a socket that never opened.
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
            return
        sockets.open += 1
        try:
            await self._inner(scope, receive, send)
        finally:
            sockets.open -= 1
