"""One owned connection: what it is told and wants, its state, and the life of its sockets.

The owner opens a socket, keeps it until it is lost, and opens the next one when the broker's reason, the backoff
and the account's quiet allow; each new socket was told nothing, so the reconciler sends everything again. States
follow one another by the graph of `subscriptions.domain.connection_life`. All of it lives on one event loop: the
quote table, the set that was sent and the state are written by its tasks in turn.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from marketdata.dhan.credentials import Credentials
from marketdata.dhan.disconnects import Reaction, describe, reaction_to
from marketdata.dhan.quote_table import QuoteTable
from marketdata.dhan.requests import SUBSCRIBE_CODE, Request
from marketdata.domain.feed import ConnectionState
from marketdata.domain.instruments import InstrumentKey
from marketdata.domain.quotes import Mode
from subscriptions.domain.commands import commands_between, sent_after
from subscriptions.domain.connection_life import Attempts, Disconnect, DisconnectCause, SocketLifetime, may_follow
from subscriptions.feed.connection.credentials import CredentialsReader, ReadCredentials
from subscriptions.feed.connection.gate import OpeningGate
from subscriptions.feed.connection.socket import KEEPALIVE, FeedSocket, KeepaliveTimeouts, RefusedError, open_socket
from subscriptions.feed.ownership.fence import Fence
from subscriptions.feed.ownership.keeper import BEAT_SECONDS
from subscriptions.feed.ownership.statements import Lease

__all__ = ["Owner", "ReadCredentials"]

logger = logging.getLogger(__name__)

_CONFIRM_POLL_SECONDS: Final = 0.1
_PLAN_BEAT_SECONDS: Final = 1.0
HAND_OVER_SECONDS: Final = BEAT_SECONDS + 0.5
"""A former owner that lives learns at its next beat that it has been replaced, from its lease or from the board."""
# Where the broker's word is, or may be, about who we are.
_REFUSED: Final = frozenset({ConnectionState.WAITING, ConnectionState.STOPPED})
_SUBSCRIBE_CODES: Final = frozenset(SUBSCRIBE_CODE.values())
_LEVELS: Final = {
    ConnectionState.STOPPED: logging.ERROR,
    ConnectionState.WAITING: logging.ERROR,
    ConnectionState.MUTE: logging.WARNING,
}


class Owner:
    """A connection that this worker holds the lease of."""

    def __init__(
        self, lease: Lease, *, is_confirmed: Callable[[], bool] = lambda: True, fence: Fence | None = None
    ) -> None:
        self.lease = lease
        self.fence = fence or Fence()
        self._is_confirmed = is_confirmed
        self.table = QuoteTable()
        self.state = ConnectionState.OPENING
        self.last_error = ""
        self.state_changed = asyncio.Event()
        """Set when `state`, `last_error` or `failed_turns` has changed; whoever reports clears it."""
        self.since_ms = _now_ms()
        """When `state` began, true UTC epoch."""
        self.reconnects: Counter[DisconnectCause] = Counter()
        """How many sockets were lost, or not got, in this epoch, by cause."""
        self.sockets = 0
        """How many sockets were opened in this epoch."""
        self.is_data_due = True
        """Whether any instrument told is in session; whoever watches knows."""
        self.plan_changed = asyncio.Event()
        """Set when there may be something to send; whoever sends clears it."""
        self.sent: dict[InstrumentKey, Mode] = {}
        self.dropped: set[int] = set()
        """Ids of instruments no longer told, until the publisher has forgotten them too."""
        self.is_thinned = False
        """Set when rows have left the table; whoever sends mirrors all that is left clears it."""
        self.last_packet_at_ms: int | None = None
        self._ids: Mapping[InstrumentKey, int] = {}
        self._wanted: Mapping[InstrumentKey, Mode] = {}
        self._is_planned = False
        self._arriving: Collection[InstrumentKey] = ()
        self._socket: FeedSocket | None = None
        self._close_reason: Disconnect | None = None
        self._attempts = Attempts()

    @property
    def failed_turns(self) -> int:
        """How often in a row our own turn at the gate failed; waiting for a token or for quiet is no such failure."""
        return self._attempts.failed_turns

    @property
    def has_socket(self) -> bool:
        """Whether a socket is open."""
        return self._socket is not None

    @property
    def wanted(self) -> Mapping[InstrumentKey, Mode]:
        """What PostgreSQL wants on this connection, as last read."""
        return self._wanted

    def set_plan(
        self,
        wanted: Mapping[InstrumentKey, Mode],
        ids: Mapping[InstrumentKey, int],
        arriving: Collection[InstrumentKey] = (),
    ) -> None:
        """Take note of what is wanted now, of our ids of it, and of what another connection streams until we do."""
        renamed = {key: ids[key] for key in self.sent if key in ids and ids[key] != self._ids.get(key)}
        self.table.add(renamed)
        is_news = wanted != self._wanted
        self._wanted, self._ids, self._arriving = wanted, ids, arriving
        self._is_planned = True
        if is_news:
            self.plan_changed.set()
            self._forget_unsent()
        self.settle()

    def list_arriving(self) -> Mapping[int, bool]:
        """Return what an open socket was told and another connection still streams: id -> whether it ticks here."""
        sent = [self._ids[key] for key in self._arriving if key in self.sent] if self._socket is not None else []
        heard = self.table.heard() if sent else frozenset()
        return {one: one in heard for one in sent}

    def list_silent(self) -> Mapping[InstrumentKey, int]:
        """Return what an open socket was told and has no price of yet, not even a snapshot's; ids by key."""
        unheard = self.table.unheard() if self._socket is not None else frozenset()
        return {key: self._ids[key] for key in self.sent if self._ids.get(key) in unheard} if unheard else {}

    def list_commands(self) -> Sequence[Request]:
        """Return what this socket should be told, first things first; nothing while there is none."""
        return commands_between(self.sent, self._wanted) if self._socket is not None else []

    def send(self, request: Request) -> None:
        """Send one request and remember it. The table learns instruments before their packets can come."""
        if self._socket is None:
            return
        is_subscribe = request.code in _SUBSCRIBE_CODES
        if is_subscribe:
            ids = {key: self._ids[key] for key in request.instruments}
            self.table.add(ids)
            self.dropped.difference_update(ids.values())
        self._socket.send(request)
        self.sent = sent_after(self.sent, request)
        if not is_subscribe:
            self._note_removed(self.table.remove(request.instruments))
        self.settle()

    def absorb(self) -> None:
        """Read what came since the last time; close the socket if the broker has said that it is over."""
        now_ms = _now_ms()
        if self.table.absorb(received_at_ms=now_ms):
            self.last_packet_at_ms = now_ms
            self.settle()
        if self.table.disconnect_reason is not None and self._socket is not None:
            self._socket.abort()

    def close_socket(self, disconnect: Disconnect) -> None:
        """Close the socket, if there is one, for a reason of our own."""
        if self._socket is not None and self._close_reason is None:
            self._close_reason = disconnect
            self._socket.abort()

    def check_fence(self) -> None:
        """Close the socket, if there is one and the connection may be another's."""
        if (why := self.fence.why_closed()) is not None:
            self.close_socket(Disconnect(Reaction.COME_BACK, why, DisconnectCause.FENCED))

    async def wait_confirmed(self) -> None:
        """Wait until it is sure that the connection is ours: one that wakes from a freeze says nothing before."""
        while True:
            if self._is_confirmed() and self.fence.why_closed() is None:
                return
            await asyncio.sleep(_CONFIRM_POLL_SECONDS)

    async def run(
        self,
        *,
        url: str,
        gate: OpeningGate,
        credentials_reader: CredentialsReader,
        keepalive: KeepaliveTimeouts = KEEPALIVE,
    ) -> None:
        """Keep a socket open for as long as the broker allows it."""
        if self.lease.is_inherited:
            await self.fence.wait_announced()
            await asyncio.sleep(HAND_OVER_SECONDS)
        while True:
            used = await credentials_reader.read()
            if used is None:
                self._become(ConnectionState.WAITING, "no credentials")
                await credentials_reader.wait_for_other_than(None, seconds=None)
                continue
            await self.wait_confirmed()  # Not at the gate, where others wait too.
            await gate.wait_cooldown()
            self._become(ConnectionState.OPENING, self.last_error)
            disconnect, lifetime = await self._run_socket(url, gate, used, keepalive)
            follows = self._attempts.after(disconnect, lifetime, chance=random.random())  # noqa: S311
            self.reconnects[disconnect.cause] += 1
            self._become(follows.state, disconnect.reason)
            self.state_changed.set()
            if follows.state in _REFUSED and disconnect.reaction is not Reaction.FIX_PLAN:
                await credentials_reader.note_refused(used, disconnect.reason)
            await self._wait_for_retry(disconnect, follows.delay_seconds, credentials_reader, used)

    async def leave(self) -> None:
        """Give the connection up on purpose: say goodbye to the broker and close."""
        if self._socket is not None:
            await self._socket.leave()
            self._socket = None
        self._become(ConnectionState.WANTED, "")

    def abort(self) -> None:
        """Drop the socket: the connection is another's now, nothing more may be sent."""
        if self._socket is not None:
            self._socket.abort()
            self._socket = None

    async def _wait_for_retry(
        self, disconnect: Disconnect, seconds: float | None, credentials_reader: CredentialsReader, used: Credentials
    ) -> None:
        """Wait as long as the loss asks for; other credentials end the wait, whatever it is for."""
        if disconnect.reaction is not Reaction.FIX_PLAN:
            await credentials_reader.wait_for_other_than(used, seconds=seconds)
            return
        refused = len(self._wanted)
        while len(self._wanted) >= refused:
            if await credentials_reader.wait_for_other_than(used, seconds=_PLAN_BEAT_SECONDS):
                return

    async def _run_socket(
        self, url: str, gate: OpeningGate, credentials: Credentials, keepalive: KeepaliveTimeouts
    ) -> tuple[Disconnect, SocketLifetime | None]:
        """Open one socket and stay until it is lost; return why, and its life if there was one."""
        try:
            await self._open(url, gate, credentials, keepalive)
        except RefusedError as error:
            self.absorb()
            return self._broker_disconnect() or error.disconnect, None
        opened_at = time.monotonic()
        disconnect = await self._stay_open(gate)
        return disconnect, SocketLifetime(time.monotonic() - opened_at, is_heard=self.table.counters.packets > 0)

    async def _open(self, url: str, gate: OpeningGate, credentials: Credentials, keepalive: KeepaliveTimeouts) -> None:
        async with gate.turn():
            if (why := self.fence.why_closed()) is not None:
                raise RefusedError(Disconnect(Reaction.COME_BACK, why, DisconnectCause.FENCED))
            await self.wait_confirmed()
            self.table.begin_socket()
            self.sent = {}
            self._close_reason = None
            self._forget_unsent()
            try:
                self._socket = await open_socket(url, credentials, self.table.append, keepalive=keepalive)
            except RefusedError as error:
                gate.apply(error.disconnect)
                raise
        self.sockets += 1
        gate.note_opened()

    async def _stay_open(self, gate: OpeningGate) -> Disconnect:
        """Be told and listen until the socket is lost; return why."""
        assert self._socket is not None  # noqa: S101  It was opened a line ago.
        self._attempts.opened()
        self._become(ConnectionState.SUBSCRIBING, "")
        self.plan_changed.set()
        self.settle()
        if (why := gate.why_sockets_forbidden()) is not None:  # Imposed by another while this one was opened.
            self.close_socket(Disconnect(Reaction.STOP_ALL, why, DisconnectCause.COOLDOWN))
        self.check_fence()
        disconnect = await self._socket.wait_lost()
        self.absorb()
        self._socket = None
        said = self._broker_disconnect()
        if said is not None:
            gate.apply(said)
        return said or self._close_reason or disconnect

    def settle(self) -> None:
        """Be live once everything wanted was sent; after a silence not before something came."""
        if self.state is not ConnectionState.SUBSCRIBING or not self._is_planned or self.sent != self._wanted:
            return
        if self._attempts.mutes == 0 or self.table.streaming or not (self.sent and self.is_data_due):
            self._become(ConnectionState.LIVE, "")

    def _forget_unsent(self) -> None:
        """Drop rows of what is neither wanted nor told: no unsubscribe will, where the socket was lost before."""
        self._note_removed(self.table.retain({**self._wanted, **self.sent}))

    def _note_removed(self, instrument_ids: Collection[int]) -> None:
        self.dropped.update(instrument_ids)
        self.is_thinned = self.is_thinned or bool(instrument_ids)

    def _broker_disconnect(self) -> Disconnect | None:
        """Return the loss as the broker's disconnect packet explains it, if one has come."""
        reason = self.table.disconnect_reason
        return None if reason is None else Disconnect(reaction_to(reason), describe(reason), DisconnectCause.BROKER)

    def _become(self, state: ConnectionState, reason: str) -> None:
        if (state, reason) == (self.state, self.last_error):
            return
        if not may_follow(self.state, state):
            raise AssertionError(f"connection {self.lease.connection}: {self.state} cannot become {state}")
        logger.log(
            _LEVELS.get(state, logging.INFO),
            "connection %d, epoch %d: %s -> %s%s; wanted %d, sent %d, streaming %d, packets %d",
            self.lease.connection,
            self.lease.epoch,
            self.state,
            state,
            f" ({reason})" if reason else "",
            len(self._wanted),
            len(self.sent),
            self.table.streaming,
            self.table.counters.packets,
        )
        self.since_ms = self.since_ms if state is self.state else _now_ms()
        self.state, self.last_error = state, reason
        self.state_changed.set()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
