"""Heartbeats of a web server, so that its supervisor ends one that is frozen.

They come from the event loop that serves the browsers. ASGI servers call the application for the first time when they
have started (uvicorn: lifespan) or with the first request (daphne): then the heartbeats begin.
"""

import asyncio
import os
from typing import Any

from subscriptions.feed.heartbeat import send_heartbeats


class Heartbeats:
    """ASGI middleware that sends heartbeats as long as the event loop of the server runs, if there is a supervisor."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._sending: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one scope."""
        if self._sending is None and os.environ.get("NOTIFY_SOCKET"):
            # The server cancels all tasks of its loop when it stops.
            self._sending = asyncio.create_task(send_heartbeats(), name="heartbeats")
        await self._inner(scope, receive, send)
