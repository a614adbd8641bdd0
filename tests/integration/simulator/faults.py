"""Switch the simulator's faults over HTTP, and observe a client's connection under them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from marketdata.domain.quotes import FullTick
from simulator.server import RunningSimulator
from tests.integration.simulator.feeds import RELIANCE, client_of, next_packet, send_request
from tests.simulators import PLAIN_HTTP

SILENCE_SECONDS = 0.6
"""With one share subscribed the feed sends about four packets a second."""


@asynccontextmanager
async def control(running: RunningSimulator) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the control path."""
    url = running.rest_url.removesuffix("/v2") + "/_sim"
    async with httpx.AsyncClient(base_url=url, trust_env=False, verify=PLAIN_HTTP) as http:
        yield http


async def switch_on(running: RunningSimulator, name: str, dial: float = 1, connection: int | None = None) -> None:
    async with control(running) as http:
        answer = await http.put(f"/faults/{name}", json={"dial": dial, "connection": connection})
    assert answer.status_code == 200, answer.text


async def switch_off(running: RunningSimulator) -> None:
    async with control(running) as http:
        assert (await http.delete("/faults")).status_code == 200


@asynccontextmanager
async def streaming(running: RunningSimulator) -> AsyncIterator[ClientConnection]:
    """Yield a client that has received a packet of its subscription."""
    async with client_of(running) as client:
        await send_request(client, 21, [RELIANCE])
        assert isinstance(await next_packet(client), FullTick)
        yield client


async def is_silent(client: ClientConnection, seconds: float = SILENCE_SECONDS) -> bool:
    """Return whether no packet arrives for a while, after those in flight."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            async with asyncio.timeout(seconds):
                await client.recv()
        except TimeoutError:
            return True
    return False


async def answers_pings(client: ClientConnection, seconds: float = 2.0) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await (await client.ping())
    except TimeoutError:
        return False
    return True


async def end_of(client: ClientConnection) -> ConnectionClosed:
    """Return how the connection ended."""
    async with asyncio.timeout(10):
        try:
            while True:
                await client.recv()
        except ConnectionClosed as closed:
            return closed


async def is_streaming(client: ClientConnection) -> bool:
    return isinstance(await next_packet(client), FullTick)
