"""The live feed's WebSocket endpoint: handshake, requests, packets, keep-alive.

One loop turns at `TURNS_PER_SECOND`: it moves the market, asks the pace which rows are due, lets them trade and
has their packets sent to every connection that wants them. A client that does not read is skipped until it does, as
the broker's own conflation would. What is wrong with it on purpose is switched here and done in `clients`, `door` and
`damage`.

The server keeps nothing across connections, acknowledges nothing, and ignores what it does not understand
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
from simulator.accounts import Account, Reason, Session
from simulator.clients import Client
from simulator.door import Door, NoEntry, Refusal, Shape
from simulator.faults import Fault, FaultError, Faults
from simulator.market import Market
from simulator.pace import Pace
from simulator.packet_arrays import Rows
from simulator.senders import Sender, Tap
from simulator.tokens import DEFAULT_HOURS

logger = logging.getLogger(__name__)

TURNS_PER_SECOND = 20.0
PING_EVERY_SECONDS = 10.0
PONG_WITHIN_SECONDS = 40.0
UNSUBSCRIBES = frozenset(requests.UNSUBSCRIBE_CODE.values())


@dataclass(frozen=True, slots=True)
class FeedRules:
    """What the operator chose."""

    rate: float
    seed: int
    faults: tuple[tuple[str, float], ...] = ()
    """What is wrong from the start: names of `faults` with their dials."""
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
        self._door = Door(account, self.faults)
        self._rules = rules
        self._sender = Sender(market, tap=tap)
        random = np.random.default_rng(rules.seed + 1)
        self._pace = Pace(market.activity(), rate=rules.rate, random=random)
        self._clients: dict[Session, Client] = {}
        self._is_pace_old = False

    @property
    def packets_sent(self) -> int:
        """Over all connections."""
        return self._sender.packets_sent

    @asynccontextmanager
    async def listening(self, bound: socket) -> AsyncIterator[None]:
        """Serve on `bound` while the block runs."""
        # Pings are answered by the client's socket here, which may be told not to.
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
        """Give a client that showed the right credentials its session, or tell it why not."""
        if client.refusal is not None:
            _refuse(client, client.refusal)
            return
        session, dropped = self.account.open(now=datetime.now(UTC))
        client.session = session
        self._clients[session] = client
        logger.info("connection %d opened, %d open", session.number, len(self.account.sessions))
        if dropped is not None:
            self._drop(dropped, Reason.TOO_MANY_CONNECTIONS)

    def closed(self, client: Client) -> None:
        """Forget a client whose socket is gone; its slot may count on."""
        if client.session is not None and self._clients.pop(client.session, None) is not None:
            held_seconds = self.faults.dial("old_slot_held") or 0.0
            self.account.close(client.session, now=datetime.now(UTC), held_seconds=held_seconds)
            self._door.lose()
            self._is_pace_old = True
            logger.info("connection %d closed", client.session.number)

    def switch_on(self, name: str, dial: float, *, connection: int | None = None) -> None:
        """Switch a fault on for the n-th open socket (from 1, oldest first), or for all; or let it happen at once.

        Raises FaultError with a sentence.
        """
        fault = faults.find(name)
        dial = fault.check(dial)
        session = self._session_at(fault, connection)
        if not fault.happens_at_once(dial):
            self.faults.switch_on(name, dial, session=session)
            return
        self.faults.switch_off(name)
        if name == "token_rollover":
            self.account.tokens.call_back()
        for client in list(self._clients.values()):
            if session in {None, client.number}:
                self._strike(client, name, int(dial))

    def switch_off(self, name: str | None = None) -> None:
        """Switch a fault off, or all. Raises UnknownFault."""
        if name is not None:
            faults.find(name)
        self.faults.switch_off(name)
        if self.faults.dial("old_slot_held") is None:
            self.account.release_slots()

    def _session_at(self, fault: Fault, connection: int | None) -> int | None:
        """Return the number of the session meant; None for all of them."""
        sessions = self.account.sessions
        if connection is None:
            is_for_one = fault.name == "stall_one"
            return (sessions[0].number if sessions else self.account.opened + 1) if is_for_one else None
        if not fault.is_of_socket:
            raise FaultError(f"{fault.name} is no fault of a single connection.")
        if not 1 <= connection <= len(sessions):
            raise FaultError(f"There is no connection {connection}: {len(sessions)} are open.")
        return sessions[connection - 1].number

    def _strike(self, client: Client, name: str, dial: int) -> None:
        """Let a fault happen to an open socket."""
        if name == "tcp_reset":
            client.reset()
        elif name == "close_without_frame":
            client.drop()
        elif name == "disconnect_code" and client.session is not None:
            self._drop(client.session, dial)
        elif name == "token_rollover" and dial == 1:
            self.closed(client)
            _refuse(client, self._door.refusal_for(Reason.TOKEN_INVALID))

    def asked(self, client: Client, text: str) -> None:
        """Do what a client's message asks; what makes no sense is ignored, as the broker does."""
        session = client.session
        if session is None or session not in self._clients:
            return
        try:
            request = requests.decode(text)
        except requests.RequestError as error:
            logger.info("connection %d: %s", session.number, error)
            return
        if request.code in UNSUBSCRIBES and "unsubscribe_ignored" in client.trouble:
            return
        change = accounts.apply(session, request)
        if change is None:
            self.closed(client)
            client.close()
            return
        self._is_pace_old = True
        client.change(change, self._rows_of(change.added), self._rows_of(change.removed))
        self._sender.send_snapshot(client, change.mode, self._rows_of(change.added))
        if change.is_over_limit:
            self._drop(session, Reason.TOO_MANY_INSTRUMENTS)

    def _listener_for(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        answer = self._door.answer(request.path.decode("latin-1"), now=datetime.now(UTC))
        if isinstance(answer, NoEntry):
            response = WSUpgradeResponse.create_error_response(answer.status, answer.body)
            return WSUpgradeResponseWithListener(response, None)
        rules = self._rules
        return Client(
            self,
            answer.refusal,
            seed=rules.seed,
            ping_every=rules.ping_every_seconds,
            pong_within=rules.pong_within_seconds,
        )

    def _drop(self, session: Session, reason: int) -> None:
        client = self._clients.pop(session, None)
        self.account.close(session)
        self._door.lose()
        self._is_pace_old = True
        if client is not None:
            logger.info("connection %d dropped with %d", session.number, reason)
            client.refuse(reason)

    def _rows_of(self, keys: tuple[InstrumentKey, ...]) -> Rows:
        rows = (self.market.row_of.get(key) for key in keys)
        return np.array([row for row in rows if row is not None], dtype=np.intp)

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
            client.look_at_faults()
            client.keep_alive(monotonic)
            for mode, late in client.late_rows():
                self._sender.send(client, mode, late)
            if len(rows) and client.has_room:
                for mode, wants in client.wants.items():
                    self._sender.send(client, mode, rows[wants[rows]])

    def _demand(self) -> tuple[Rows, npt.NDArray[np.float64]]:
        """Every subscribed row, and the packets that one update of it costs over all connections."""
        cost = np.zeros(len(self.market.contracts))
        for client in self._clients.values():
            for mode, wants in client.wants.items():
                cost += wants * (1.0 + self.market.contracts.is_derivative if mode is Mode.QUOTE else 1.0)
        rows = np.flatnonzero(cost)
        return rows, cost[rows]


def _refuse(client: Client, refusal: Refusal) -> None:
    """Tell a client that its token is of no use."""
    match refusal.shape:
        case Shape.DROP | Shape.BAD_REQUEST:
            client.drop()
        case Shape.PACKET:
            client.refuse(refusal.reason)
        case Shape.RESET:
            client.reset()
