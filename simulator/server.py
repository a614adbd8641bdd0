"""The whole simulator: a listing, its market, the feed and the REST side on two ports of one event loop.

`running` serves inside a block, for `__main__` and for tests in the same process. The default host is loopback; port 0
selects a free port.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import date
from socket import AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket

import uvicorn

from simulator.accounts import Account, Credentials
from simulator.contracts import read_contracts
from simulator.feed_server import FeedRules, FeedServer
from simulator.instrument_files import InstrumentFiles
from simulator.logins import DEFAULT_LOGINS, LoginRules
from simulator.market import Market
from simulator.rest_server import make_app
from simulator.senders import Tap

LOOPBACK = "127.0.0.1"


class CannotListenError(Exception):
    """The address cannot be bound; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """The addresses of a running simulator, and its feed for inspection."""

    host: str
    feed_port: int
    rest_port: int
    feed: FeedServer

    @property
    def feed_url(self) -> str:
        """The URL of the live feed, without its query."""
        return f"ws://{self.host}:{self.feed_port}"

    @property
    def rest_url(self) -> str:
        """The base URL of the REST paths, with /v2 as at the broker."""
        return f"http://{self.host}:{self.rest_port}/v2"


@asynccontextmanager
async def running(
    files: InstrumentFiles,
    credentials: Credentials,
    rules: FeedRules,
    *,
    today: date,
    logins: LoginRules = DEFAULT_LOGINS,
    host: str = LOOPBACK,
    port: int = 0,
    rest_port: int = 0,
    tap: Tap | None = None,
) -> AsyncIterator[RunningSimulator]:
    """Serve the market of `files` while the block runs. Raises CannotListenError if a port is taken."""
    contracts = read_contracts(files.listing, today=today)
    market = Market(contracts, seed=rules.seed, now=time.time())
    feed = FeedServer(market, Account(credentials, token_hours=rules.token_hours), rules, tap=tap)
    with listening_socket(host, port) as feed_socket, listening_socket(host, rest_port) as rest_socket:
        rest = _Rest(
            uvicorn.Config(
                make_app(feed, files, logins), log_level="warning", access_log=False, lifespan="off", ws="none"
            )
        )
        # One loop for both: a REST answer and the feed never show different prices.
        async with feed.listening(feed_socket):
            serving = asyncio.create_task(rest.serve(sockets=[rest_socket]))
            try:
                yield RunningSimulator(host, feed_socket.getsockname()[1], rest_socket.getsockname()[1], feed)
            finally:
                # force_exit: do not wait for clients that keep their connection alive.
                rest.should_exit = True
                rest.force_exit = True
                await serving


class _Rest(uvicorn.Server):
    """Uvicorn without signal handlers, which stops at once and aborts running answers."""

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        # After an abort a running answer finds its client disconnected and ends; a cancelled one logs a traceback.
        for connection in self.server_state.connections:
            connection.transport.abort()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def listening_socket(host: str, port: int) -> Iterator[socket]:
    """Yield a TCP socket that listens on `host` and `port`. Raises CannotListenError."""
    bound = socket(AF_INET, SOCK_STREAM)
    try:
        bound.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
        except OSError as error:
            raise CannotListenError(f"Cannot listen on {host}:{port}: {error.strerror}.") from error
        # Now and not later: a client that has read "ready" must not be refused. It waits for the first accept.
        bound.listen()
        yield bound
    finally:
        bound.close()
