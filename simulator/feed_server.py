"""The live feed's WebSocket endpoint: handshake, requests, packets, keep-alive.

One loop turns at `TURNS_PER_SECOND`: it moves the market, asks the pace which rows are due, lets them trade and
writes their packets to every connection that wants them. Frames of one turn are laid down for a whole connection at
once and written to its transport in one call, each packet still a message of its own; with `stacked` they share
messages. A client that does not read is skipped until it does, as the broker's own conflation would.

The server keeps nothing across connections, acknowledges nothing, and ignores what it does not understand
(https://dhanhq.co/docs/v2/live-market-feed/, read November 2026).
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from socket import socket
from urllib.parse import parse_qs, urlsplit

import numpy as np
import numpy.typing as npt
from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from marketdata.dhan import packets, requests
from marketdata.dhan.packets import LENGTH_OF, PacketCode
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import Mode
from simulator import accounts
from simulator.accounts import Account, Credentials, Reason, Session
from simulator.market import Market
from simulator.pace import Pace
from simulator.packet_arrays import PacketWriter, Rows

logger = logging.getLogger(__name__)

TURNS_PER_SECOND = 20.0
PING_EVERY_SECONDS = 10.0
PONG_WITHIN_SECONDS = 40.0
REQUIRED_PARAMETERS = ("version", "token", "clientId", "authType")
STACKED_PACKETS = 50
"""Packets of one message with `stacked`; the broker's own number is not known."""

Tap = Callable[[int, bytes], None]
"""Told of the number of a connection and the packets written to it, back to back and without frames."""


@dataclass(frozen=True, slots=True)
class FeedRules:
    """What the operator chose."""

    rate: float
    seed: int
    is_stacked: bool = False
    turns_per_second: float = TURNS_PER_SECOND
    ping_every_seconds: float = PING_EVERY_SECONDS
    pong_within_seconds: float = PONG_WITHIN_SECONDS


class FeedServer:
    """All connections of one account, and the loop that feeds them."""

    def __init__(self, market: Market, account: Account, rules: FeedRules, *, tap: Tap | None = None) -> None:
        self.market = market
        self.account = account
        self.packets_sent = 0
        self._rules = rules
        self._tap = tap
        self._writer = PacketWriter(market.contracts.heads, market.bodies, framed=not rules.is_stacked)
        self._recorder = PacketWriter(market.contracts.heads, market.bodies, framed=False)
        random = np.random.default_rng(rules.seed + 1)
        self._pace = Pace(market.activity(), rate=rules.rate, random=random)
        self._clients: dict[Session, _Client] = {}
        self._is_pace_old = False

    @asynccontextmanager
    async def listening(self, bound: socket) -> AsyncIterator[None]:
        """Serve on `bound` while the block runs."""
        server = await ws_create_server(self._listener_for, sock=bound)
        try:
            async with asyncio.TaskGroup() as group:
                feeding = group.create_task(self._feed())
                yield
                feeding.cancel()
        finally:
            server.close()
            for client in list(self._clients.values()):
                client.transport.disconnect(graceful=False)
            await server.wait_closed()

    def opened(self, client: "_Client") -> None:
        """Give a client that showed the right credentials its session, or tell it why not."""
        if not client.is_authenticated:
            client.refuse(Reason.AUTHENTICATION_FAILED)
            return
        session, dropped = self.account.open(now=datetime.now(UTC))
        client.session = session
        self._clients[session] = client
        logger.info("connection %d opened, %d open", session.number, len(self.account.sessions))
        if dropped is not None:
            self._drop(dropped, Reason.TOO_MANY_CONNECTIONS)

    def closed(self, client: "_Client") -> None:
        """Forget a client whose socket is gone."""
        if client.session is not None and self._clients.pop(client.session, None) is not None:
            self.account.close(client.session)
            self._is_pace_old = True
            logger.info("connection %d closed", client.session.number)

    def asked(self, client: "_Client", text: str) -> None:
        """Do what a client's message asks; what makes no sense is ignored, as the broker does."""
        session = client.session
        if session is None or session not in self._clients:
            return
        try:
            request = requests.decode(text)
        except requests.RequestError as error:
            logger.info("connection %d: %s", session.number, error)
            return
        change = accounts.apply(session, request)
        if change is None:
            self.closed(client)
            client.close()
            return
        self._is_pace_old = True
        client.change(change, self.market)
        self._send_snapshot(client, change.mode, self._rows_of(change.added))
        if change.is_over_limit:
            self._drop(session, Reason.TOO_MANY_INSTRUMENTS)

    def _listener_for(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        shown = parse_qs(urlsplit(request.path.decode("latin-1")).query)
        missing = [name for name in REQUIRED_PARAMETERS if name not in shown]
        if missing:
            body = f"missing query parameter {', '.join(missing)}".encode()
            return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(400, body), None)
        is_ours = self._is_ours(Credentials(shown["clientId"][0], shown["token"][0]))
        return _Client(self, self._rules, is_authenticated=is_ours)

    def _is_ours(self, shown: Credentials) -> bool:
        ours = self.account.credentials
        return shown.client_id == ours.client_id and secrets.compare_digest(
            shown.access_token.encode(), ours.access_token.encode()
        )

    def _drop(self, session: Session, reason: Reason) -> None:
        client = self._clients.pop(session, None)
        self.account.close(session)
        self._is_pace_old = True
        if client is not None:
            logger.info("connection %d dropped with %d", session.number, reason)
            client.refuse(reason)

    def _rows_of(self, keys: tuple[InstrumentKey, ...]) -> Rows:
        rows = (self.market.row_of.get(key) for key in keys)
        return np.array([row for row in rows if row is not None], dtype=np.intp)

    def _send_snapshot(self, client: "_Client", mode: Mode, rows: Rows) -> None:
        if not len(rows):
            return
        self.market.catch_up(rows, time.time())
        indices = rows[self.market.contracts.heads["segment"][rows] == ExchangeSegment.IDX_I]
        if len(indices):
            self._write(client, PacketWriter.previous_closes, indices, PacketCode.PREVIOUS_CLOSE)
        self._write_mode(client, mode, rows)

    async def _feed(self) -> None:
        turn = 1.0 / self._rules.turns_per_second
        at = time.monotonic()
        while True:
            self._take_turn(time.time(), time.monotonic())
            at = max(at + turn, time.monotonic() - turn)
            await asyncio.sleep(max(at - time.monotonic(), 0.0))

    def _take_turn(self, now: float, monotonic: float) -> None:
        self.market.advance(now)
        if self._is_pace_old:
            self._pace.subscribed(*self._demand())
            self._is_pace_old = False
        rows = self._pace.due(now)
        if len(rows):
            self.market.trade(rows, now)
        for client in list(self._clients.values()):
            client.keep_alive(monotonic)
            if len(rows) and client.is_reading:
                for mode, wants in client.wants.items():
                    self._write_mode(client, mode, rows[wants[rows]])

    def _demand(self) -> tuple[Rows, npt.NDArray[np.float64]]:
        """Every subscribed row, and the packets that one update of it costs over all connections."""
        cost = np.zeros(len(self.market.contracts))
        for client in self._clients.values():
            for mode, wants in client.wants.items():
                cost += wants * (1.0 + self.market.contracts.is_derivative if mode is Mode.QUOTE else 1.0)
        rows = np.flatnonzero(cost)
        return rows, cost[rows]

    def _write_mode(self, client: "_Client", mode: Mode, rows: Rows) -> None:
        if mode is Mode.TICKER:
            self._write(client, PacketWriter.tickers, rows, PacketCode.TICKER)
        elif mode is Mode.FULL:
            self._write(client, PacketWriter.fulls, rows, PacketCode.FULL)
        else:
            has_oi = self.market.contracts.is_derivative[rows]
            self._write(client, PacketWriter.quotes, rows[~has_oi], PacketCode.QUOTE)
            self._write(client, PacketWriter.oi_and_quotes, rows[has_oi], PacketCode.OI, PacketCode.QUOTE)

    def _write(
        self, client: "_Client", write: Callable[[PacketWriter, Rows], bytes], rows: Rows, *codes: PacketCode
    ) -> None:
        if not len(rows):
            return
        if self._tap is not None and client.session is not None:
            self._tap(client.session.number, write(self._recorder, rows))
        data = write(self._writer, rows)
        if self._rules.is_stacked:
            client.send_messages(_stacks(data, sum(LENGTH_OF[code] for code in codes) * STACKED_PACKETS))
        else:
            client.send_frames(data)
        count = len(rows) * len(codes)
        self.packets_sent += count
        if client.session is not None:
            client.session.packets_sent += count


def _stacks(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


class _Client(WSListener):
    """One socket: what it wants by row, whether it reads, when it was last heard of."""

    def __init__(self, server: FeedServer, rules: FeedRules, *, is_authenticated: bool) -> None:
        super().__init__()
        self.is_authenticated = is_authenticated
        self.session: Session | None = None
        self.is_reading = True
        self.transport: WSTransport
        self.wants: dict[Mode, npt.NDArray[np.bool_]] = {
            mode: np.zeros(len(server.market.contracts), dtype=bool) for mode in Mode
        }
        self._server = server
        self._rules = rules
        self._heard_at = time.monotonic()
        self._ping_at = self._heard_at + rules.ping_every_seconds

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self._server.opened(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002  # picows names it.
        match frame.msg_type:
            case WSMsgType.TEXT:
                self._server.asked(self, frame.get_payload_as_bytes().decode("utf-8", errors="replace"))
            case WSMsgType.PONG:
                self._heard_at = time.monotonic()
            case WSMsgType.CLOSE:
                self._server.closed(self)
                self.close()
            case _:
                pass  # The official SDK says good-bye with a binary frame of the old protocol.

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002  # picows names it.
        self._server.closed(self)

    def pause_writing(self) -> None:
        self.is_reading = False

    def resume_writing(self) -> None:
        self.is_reading = True

    def change(self, change: accounts.Change, market: Market) -> None:
        """Note in `wants` what a message changed; what is not listed is nowhere noted."""
        wants = self.wants[change.mode]
        for keys, value in ((change.added, True), (change.removed, False)):
            for key in keys:
                if (row := market.row_of.get(key)) is not None:
                    wants[row] = value

    def keep_alive(self, monotonic: float) -> None:
        """Ping when it is time; hang up on one that has answered nothing for too long."""
        if monotonic - self._heard_at > self._rules.pong_within_seconds:
            logger.info("connection %d answers no ping", self.session.number if self.session else 0)
            self.transport.disconnect(graceful=False)
        elif monotonic >= self._ping_at:
            self._ping_at = monotonic + self._rules.ping_every_seconds
            self.transport.send_ping(b"")

    def send_frames(self, frames: bytes) -> None:
        """Write whole messages that carry their own frames."""
        self.transport.underlying_transport.write(frames)

    def send_messages(self, messages: Iterator[bytes]) -> None:
        """Write each of `messages` as a message."""
        for message in messages:
            self.transport.send(WSMsgType.BINARY, message)

    def refuse(self, reason: Reason) -> None:
        """Say why, then close."""
        self.transport.send(WSMsgType.BINARY, packets.encode(packets.Disconnect(int(reason))))
        self.close()

    def close(self) -> None:
        """Close in good order."""
        if not self.transport.is_close_frame_sent:
            self.transport.send_close(WSCloseCode.OK)
        self.transport.disconnect()
