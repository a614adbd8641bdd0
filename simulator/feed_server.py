"""The live feed's WebSocket endpoint: handshake, requests, packets, keepalive.

One loop runs `TURNS_PER_SECOND` times a second. Each turn moves the market, selects the rows that update now
(`pacing`), lets them trade and sends their packets to every connection that has subscribed them. A client that does not
read is skipped until it does, as with the conflation of the broker. Faults are switched on here and take effect in
`clients`, `handshake` and `packet_faults`.

As the broker, the server keeps no state across connections, acknowledges nothing and ignores invalid requests
(https://dhanhq.co/docs/v2/live-market-feed/, read November 2026).
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from socket import socket

import numpy as np
import numpy.typing as npt
from picows import WSListener, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener, ws_create_server

from marketdata.dhan import requests
from marketdata.domain.instruments import InstrumentKey
from marketdata.domain.quotes import Mode
from simulator import accounts, faults
from simulator.accounts import Account, Connection, Reason
from simulator.clients import Client
from simulator.faults import Fault, FaultError, Faults
from simulator.handshake import Handshake, Refusal, RefusalShape, Rejection
from simulator.market import Market
from simulator.pacing import Pacer
from simulator.packet_arrays import Rows
from simulator.senders import Sender, Tap
from simulator.tokens import DEFAULT_HOURS

logger = logging.getLogger(__name__)

TURNS_PER_SECOND = 20.0  # chosen: five times the most updates of an instrument, so updates spread over a second
PING_EVERY_SECONDS = 10.0  # documented by the broker (Live Market Feed, Keeping Connection Alive)
PONG_WITHIN_SECONDS = 40.0  # documented there: the server closes after 40 s without an answer
UNSUBSCRIBES = frozenset(requests.UNSUBSCRIBE_CODE.values())


@dataclass(frozen=True, slots=True)
class FeedRules:
    """The options of the feed."""

    rate: float
    seed: int
    # Faults that are active from the start: names with dials.
    faults: tuple[tuple[str, float], ...] = ()
    token_hours: float = DEFAULT_HOURS
    turns_per_second: float = TURNS_PER_SECOND
    ping_every_seconds: float = PING_EVERY_SECONDS
    pong_within_seconds: float = PONG_WITHIN_SECONDS


class FeedServer:
    """All connections of one account, and the loop that feeds them."""

    def __init__(self, market: Market, account: Account, rules: FeedRules, *, tap: Tap | None = None) -> None:
        self.market = market
        self.account = account
        self.faults = Faults(rules.faults)
        self._handshake = Handshake(account, self.faults)
        self._rules = rules
        self._sender = Sender(market, tap=tap)
        random = np.random.default_rng(rules.seed + 1)
        self._pacer = Pacer(market.activity(), rate=rules.rate, random=random)
        self._clients: dict[Connection, Client] = {}
        self._is_demand_stale = False

    @property
    def packets_sent(self) -> int:
        """The number of packets sent on all connections."""
        return self._sender.packets_sent

    @asynccontextmanager
    async def listening(self, bound: socket) -> AsyncIterator[None]:
        """Serve on `bound` while the block runs."""
        # `clients` answers pings, because a fault may suppress the answer.
        server = await ws_create_server(self._listener_for, sock=bound, enable_auto_pong=False)
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

    def opened(self, client: Client) -> None:
        """Open a connection for a client with valid credentials, or refuse it."""
        if client.refusal is not None:
            _refuse(client, client.refusal)
            return
        connection, dropped = self.account.open(now=datetime.now(UTC))
        client.connection = connection
        self._clients[connection] = client
        logger.info("connection %d opened, %d open", connection.number, len(self.account.connections))
        if dropped is not None:
            self._drop(dropped, Reason.TOO_MANY_CONNECTIONS)

    def closed(self, client: Client) -> None:
        """Remove a client whose socket is closed; with old_slot_held its slot stays reserved."""
        if client.connection is not None and self._clients.pop(client.connection, None) is not None:
            reserved_seconds = self.faults.dial("old_slot_held") or 0.0
            self.account.close(client.connection, now=datetime.now(UTC), reserved_seconds=reserved_seconds)
            self._handshake.count_disconnect()
            self._is_demand_stale = True
            logger.info("connection %d closed", client.connection.number)

    def switch_on(self, name: str, dial: float, *, position: int | None = None) -> None:
        """Switch a fault on for the open connection at `position` (from 1, oldest first), or for all.

        A one-shot fault is applied at once. Raises FaultError with a sentence.
        """
        fault = faults.find(name)
        dial = fault.check(dial)
        number = self._number_at(fault, position)
        if not fault.is_one_shot(dial):
            self.faults.switch_on(name, dial, connection=number)
            return
        self.faults.switch_off(name)
        if name == "token_rollover":
            self.account.tokens.revoke()
        elif name == "volume_wrap":
            self.market.raise_volumes(lots_left=int(dial))
        for client in list(self._clients.values()):
            if number in {None, client.number}:
                self._apply_once(client, name, int(dial))

    def switch_off(self, name: str | None = None) -> None:
        """Switch a fault off, or all. Raises UnknownFault."""
        if name is not None:
            faults.find(name)
        self.faults.switch_off(name)
        if self.faults.dial("old_slot_held") is None:
            self.account.release_slots()

    def _number_at(self, fault: Fault, position: int | None) -> int | None:
        """Return the number of the connection at `position`; None for all connections."""
        connections = self.account.connections
        if position is None:
            is_for_one = fault.name == "stall_one"
            return (connections[0].number if connections else self.account.opened + 1) if is_for_one else None
        if not fault.is_per_connection:
            raise FaultError(f"{fault.name} cannot be switched on for a single connection.")
        if not 1 <= position <= len(connections):
            raise FaultError(f"There is no connection {position}; {len(connections)} are open.")
        return connections[position - 1].number

    def _apply_once(self, client: Client, name: str, dial: int) -> None:
        """Apply a one-shot fault to an open socket."""
        if name == "tcp_reset":
            client.reset()
        elif name == "close_without_frame":
            client.drop()
        elif name == "disconnect_code" and client.connection is not None:
            self._drop(client.connection, dial)
        elif name == "token_rollover" and dial == 1:
            self.closed(client)
            _refuse(client, self._handshake.refusal_for(Reason.TOKEN_INVALID))

    def asked(self, client: Client, text: str) -> None:
        """Apply a request; an invalid one is ignored, as by the broker."""
        connection = client.connection
        if connection is None or connection not in self._clients:
            return
        try:
            request = requests.decode(text)
        except requests.RequestError as error:
            logger.info("connection %d: %s", connection.number, error)
            return
        if request.code in UNSUBSCRIBES and "unsubscribe_ignored" in client.active_faults:
            return
        change = accounts.apply(connection, request)
        if change is None:
            self.closed(client)
            client.close()
            return
        self._is_demand_stale = True
        client.change(change, self._rows_of(change.added), self._rows_of(change.removed))
        self._sender.send_snapshot(client, change.mode, self._rows_of(change.added))
        # After the snapshot: the part within the limit was accepted.
        if change.is_over_limit:
            self._drop(connection, Reason.TOO_MANY_INSTRUMENTS)

    def _listener_for(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        answer = self._handshake.answer(request.path.decode("latin-1"), now=datetime.now(UTC))
        if isinstance(answer, Rejection):
            response = WSUpgradeResponse.create_error_response(answer.status, answer.body)
            return WSUpgradeResponseWithListener(response, None)
        rules = self._rules
        return Client(
            self,
            answer,
            seed=rules.seed,
            ping_every=rules.ping_every_seconds,
            pong_within=rules.pong_within_seconds,
        )

    def _drop(self, connection: Connection, reason: int) -> None:
        client = self._clients.pop(connection, None)
        self.account.close(connection)
        self._handshake.count_disconnect()
        self._is_demand_stale = True
        if client is not None:
            logger.info("connection %d disconnected by the server, reason %d", connection.number, reason)
            client.refuse(reason)

    def _rows_of(self, keys: tuple[InstrumentKey, ...]) -> Rows:
        rows = (self.market.row_of.get(key) for key in keys)
        return np.array([row for row in rows if row is not None], dtype=np.intp)

    async def _feed(self) -> None:
        turn = 1.0 / self._rules.turns_per_second
        at = time.monotonic()
        while True:
            self._take_turn(time.time(), time.monotonic(), due_at=at)
            # Fixed rate: a late turn does not delay the next ones. After a long pause missed turns are skipped.
            at = max(at + turn, time.monotonic() - turn)
            await asyncio.sleep(max(at - time.monotonic(), 0.0))

    def _take_turn(self, now: float, monotonic: float, *, due_at: float) -> None:
        self.market.advance(now)
        # Once a turn and not with each request: a client subscribes 5,000 instruments in 50 messages.
        if self._is_demand_stale:
            self._pacer.set_demand(*self._demand())
            self._is_demand_stale = False
        # The time for which the turn was planned: a turn that comes a millisecond late or early must not make rows at
        # their highest rate skip it.
        rows = self._pacer.due(due_at)
        if len(rows):
            self.market.trade(rows, now)
        # A copy: a client may be closed, and removed, inside the loop.
        for client in list(self._clients.values()):
            client.refresh_faults()
            client.keep_alive(monotonic)
            for mode, late in client.late_rows():
                self._sender.send(client, mode, late)
            if len(rows) and client.is_writable:
                for mode, wants in client.subscribed_rows.items():
                    self._sender.send(client, mode, rows[wants[rows]])

    def _demand(self) -> tuple[Rows, npt.NDArray[np.float64]]:
        """Return every subscribed row, and the number of packets that one update costs over all connections."""
        cost = np.zeros(len(self.market.contracts))
        for client in self._clients.values():
            for mode, wants in client.subscribed_rows.items():
                cost += wants * (1.0 + self.market.contracts.is_derivative if mode is Mode.QUOTE else 1.0)
        rows = np.flatnonzero(cost)
        return rows, cost[rows]


def _refuse(client: Client, refusal: Refusal) -> None:
    """Refuse a client because of its token, in the given shape."""
    match refusal.shape:
        case RefusalShape.DROP | RefusalShape.BAD_REQUEST:
            client.drop()
        case RefusalShape.PACKET:
            client.refuse(refusal.reason)
        case RefusalShape.RESET:
            client.reset()
