"""The alternative to the quote hub: one `group_send` of the Channels layer per tick, one group per instrument.

As an ASGI application, it serves consumers that join the group of every instrument they watch, and send each tick as
JSON. As a program, it publishes the rows of the bus: of an instrument that changes again before its turn, the newest.
"""

import asyncio
from typing import Any

import orjson
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

# The first import of ours: it sets Django up.
from terminal.asgi import http

from marketdata import quote_board  # isort: skip

PAUSE_SECONDS = 0.005  # chosen: short against a flush of 100 ms


def group_of(instrument_id: int) -> str:
    """Return the name of the group of an instrument."""
    return f"quote.{instrument_id}"


class TickConsumer(AsyncWebsocketConsumer):
    """One browser tab."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:  # noqa: ARG002
        """Join the groups of the watched instruments."""
        for one in orjson.loads(text_data or "")["instruments"]:
            await self.channel_layer.group_add(group_of(one), self.channel_name)

    async def tick(self, event: dict[str, Any]) -> None:
        """Forward a tick."""
        await self.send(text_data=orjson.dumps(event).decode())


routes = [path("ws/market/", TickConsumer.as_asgi())]  # type: ignore[arg-type]  # The stubs know only HTTP views.
sockets = AuthMiddlewareStack(URLRouter(routes))  # type: ignore[arg-type]
application = ProtocolTypeRouter({"http": http, "websocket": sockets})


class Publisher:
    """Sends every row of the bus to the group of its instrument."""

    def __init__(self) -> None:
        self._newest: dict[int, dict[str, Any]] = {}

    async def run(self) -> None:
        """Publish until the process ends."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            tasks.create_task(self._send())

    async def _read(self) -> None:
        names = ("received_at_ms", "ltp", "oi", "volume")
        async with quote_board.connect_hub().frames() as frames:
            async for frame in frames:
                for row in frame.rows:
                    values = {name: row[name].item() for name in names}
                    self._newest[int(row["instrument_id"])] = {"type": "tick", **values}

    async def _send(self) -> None:
        layer = get_channel_layer()
        assert layer is not None
        while True:
            if not self._newest:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            instrument_id = next(iter(self._newest))
            event = {"id": instrument_id, **self._newest.pop(instrument_id)}
            await layer.group_send(group_of(instrument_id), event)


if __name__ == "__main__":
    asyncio.run(Publisher().run())
