"""A simulator in this process, and plain clients of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import date, timedelta
from functools import cache

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from marketdata.dhan import packets
from marketdata.dhan.packets import Packet
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from simulator import server
from simulator.accounts import Credentials
from simulator.demo_listing import Size, make_listing
from simulator.feed_server import FeedRules
from simulator.instrument_files import InstrumentFiles
from simulator.senders import Tap
from simulator.server import RunningSimulator

TODAY = date(2026, 11, 20)
CREDENTIALS = Credentials("1000000001", "sim-token")
DEADLINE_SECONDS = 10.0

NIFTY = InstrumentKey(ExchangeSegment.IDX_I, 13)
SENSEX = InstrumentKey(ExchangeSegment.IDX_I, 51)
RELIANCE = InstrumentKey(ExchangeSegment.NSE_EQ, 2885)

UNDERLYINGS = frozenset(("NIFTY", "BANKNIFTY", "SENSEX", "RELIANCE", "GOLD", "CRUDEOIL"))
LAST_EXPIRY = TODAY + timedelta(days=32)
"""Of the options; those of NIFTY have five expiries until then."""


@cache
def small_files() -> InstrumentFiles:
    """Return the small demo listing."""
    return InstrumentFiles(make_listing(TODAY, size=Size.SMALL))


@cache
def few_files() -> InstrumentFiles:
    """Return the small demo listing without most of its options: its market opens in a fifth of the time."""
    return InstrumentFiles(
        [
            row
            for row in small_files().listing
            if row.expiry is None
            or row.option_type is None
            or (row.underlying in UNDERLYINGS and row.expiry <= LAST_EXPIRY)
        ]
    )


def derivatives(symbol: str, count: int) -> list[InstrumentKey]:
    """Return the keys of the first derivatives listed on `symbol`."""
    found = (row.key for row in small_files().listing if row.underlying == symbol and row.expiry is not None)
    return [key for key, _ in zip(found, range(count), strict=False)]


@asynccontextmanager
async def small_simulator(
    *,
    files: InstrumentFiles | None = None,
    rate: float = 500,
    seed: int = 7,
    faults: Mapping[str, float] | None = None,
    ping_every_seconds: float = 10.0,
    pong_within_seconds: float = 40.0,
    tap: Tap | None = None,
) -> AsyncIterator[RunningSimulator]:
    """Serve `files`, by default few, while the block runs."""
    rules = FeedRules(
        rate=rate,
        seed=seed,
        faults=tuple((faults or {}).items()),
        ping_every_seconds=ping_every_seconds,
        pong_within_seconds=pong_within_seconds,
    )
    async with server.running(files or few_files(), CREDENTIALS, rules, today=TODAY, tap=tap) as running:
        yield running


def url_of(
    running: RunningSimulator, *, token: str = CREDENTIALS.access_token, client_id: str = CREDENTIALS.client_id
) -> str:
    """Return the feed's address with its query."""
    return f"{running.feed_url}/?version=2&token={token}&clientId={client_id}&authType=2"


@asynccontextmanager
async def client_of(running: RunningSimulator) -> AsyncIterator[ClientConnection]:
    """Connect with valid credentials; messages that a test leaves unread do not block the close."""
    async with connect(url_of(running), max_queue=None) as client:
        yield client


async def send_request(client: ClientConnection, code: int, keys: Iterable[InstrumentKey] = ()) -> None:
    """Send one request of any size."""
    named = [{"ExchangeSegment": key.segment.name, "SecurityId": str(key.security_id)} for key in keys]
    await client.send(json.dumps({"RequestCode": code, "InstrumentCount": len(named), "InstrumentList": named}))


async def next_packet(client: ClientConnection) -> Packet:
    """Return the next message, which is one packet."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        message = await client.recv()
    assert isinstance(message, bytes)
    return packets.decode(message)


async def until_closed(client: ClientConnection) -> list[Packet]:
    """Return every packet up to the close."""
    found: list[Packet] = []
    try:
        while True:
            found.append(await next_packet(client))
    except ConnectionClosed:
        return found
