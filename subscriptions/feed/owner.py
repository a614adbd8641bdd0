"""One owned connection: what it is told and wants, its state, and the life of its sockets.

The owner opens a socket, keeps it until it is lost, and opens the next one when the broker's reason and the
backoff allow; each new socket was told nothing, so the reconciler sends everything again. All of it lives on
one event loop: the quote table, the set that was sent and the state are written by its tasks in turn.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from marketdata.dhan.credentials import Credentials
from marketdata.dhan.disconnects import Reaction, describe, reaction_to
from marketdata.dhan.quote_table import QuoteTable
from marketdata.dhan.requests import SUBSCRIBE_CODE, Request
from marketdata.domain.instruments import InstrumentKey
from marketdata.domain.quotes import Mode
from subscriptions.domain.backoff import delay_seconds
from subscriptions.domain.claims import ConnectionState
from subscriptions.domain.commands import commands_between, told_after
from subscriptions.feed.connection import FeedSocket, Loss, RefusedError, open_socket
from subscriptions.feed.gate import OpeningGate
from subscriptions.feed.ownership import Lease

logger = logging.getLogger(__name__)

# A socket that lasted this long was a good one, even if nothing was wanted on it.
_GOOD_SECONDS: Final = 60.0
_CREDENTIALS_BEAT_SECONDS: Final = 2.0
_SUBSCRIBE_CODES: Final = frozenset(SUBSCRIBE_CODE.values())

ReadCredentials = Callable[[], Credentials | None]
"""Return who we are now; None while nobody has told us."""


class Owner:
    """A connection that this worker holds the lease of."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.table = QuoteTable()
        self.state = ConnectionState.OPENING
        self.last_error = ""
        self.state_changed = asyncio.Event()
        """Set when `state`, `last_error` or `failed_turns` has changed; whoever reports clears it."""
        self.failed_turns = 0
        """How often in a row our own turn at the gate failed; waiting for a token or for quiet is no such failure."""
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
        self._arriving: Collection[InstrumentKey] = ()
        self._socket: FeedSocket | None = None

    @property
    def wanted(self) -> Mapping[InstrumentKey, Mode]:
        """What PostgreSQL wants on this connection, as last read."""
        return self._wanted

    def want(
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
        if is_news:
            self.plan_changed.set()
            self._forget_untold()

    def list_arriving(self) -> Mapping[int, bool]:
        """Return what an open socket was told and another connection still streams: id -> whether it ticks here."""
        told = [self._ids[key] for key in self._arriving if key in self.sent] if self._socket is not None else []
        heard = self.table.heard() if told else frozenset()
        return {one: one in heard for one in told}

    def list_unheard(self) -> Mapping[InstrumentKey, int]:
        """Return what an open socket was told and has no price of yet, not even a snapshot's; ids by key."""
        unheard = self.table.unheard() if self._socket is not None else frozenset()
        return {key: self._ids[key] for key in self.sent if self._ids.get(key) in unheard} if unheard else {}

    def list_commands(self) -> Sequence[Request]:
        """Return what this socket should be told, first things first; nothing while there is none."""
        return commands_between(self.sent, self._wanted) if self._socket is not None else []

    def tell(self, request: Request) -> None:
        """Send one request and remember it. The table learns instruments before their packets can come."""
        if self._socket is None:
            return
        is_subscribe = request.code in _SUBSCRIBE_CODES
        if is_subscribe:
            ids = {key: self._ids[key] for key in request.instruments}
            self.table.add(ids)
            self.dropped.difference_update(ids.values())
        self._socket.send(request)
        self.sent = told_after(self.sent, request)
        if not is_subscribe:
            self._note_gone(self.table.remove(request.instruments))

    def absorb(self) -> None:
        """Read what came since the last time; close the socket if the broker has said that it is over."""
        now_ms = time.time_ns() // 1_000_000
        if self.table.absorb(received_at_ms=now_ms):
            self.last_packet_at_ms = now_ms
        if self.table.disconnect_reason is not None and self._socket is not None:
            self._socket.abort()

    async def run(self, *, url: str, gate: OpeningGate, read_credentials: ReadCredentials) -> None:
        """Keep a socket open for as long as the broker allows it."""
        attempt = 0
        while True:
            credentials = read_credentials()
            if credentials is None:
                self._become(ConnectionState.STOPPED, "no credentials")
                await self._wait_for_other_credentials(credentials, read_credentials)
                continue
            loss, was_good = await self._live_once(url, gate, credentials)
            attempt = 1 if was_good else attempt + 1
            delay = delay_seconds(reaction=loss.reaction, attempt=attempt, chance=random.random())  # noqa: S311
            if delay is None:
                self._become(ConnectionState.STOPPED, loss.reason)
                await self._wait_for_other_credentials(credentials, read_credentials)
            else:
                self._become(ConnectionState.RECONNECTING, loss.reason)
                await asyncio.sleep(delay)

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

    async def _live_once(self, url: str, gate: OpeningGate, credentials: Credentials) -> tuple[Loss, bool]:
        """Open one socket and stay until it is lost; return why, and whether it was any good."""
        try:
            async with gate.turn():
                self.table.begin_socket()
                self.sent = {}
                self._forget_untold()
                self._socket = await open_socket(url, credentials, self.table.append)
        except RefusedError as error:
            self.absorb()
            loss = self._said_by_broker() or error.loss
            self._count_turn(loss.reaction)
            return loss, False
        self.failed_turns = 0
        self._become(ConnectionState.LIVE, "")
        self.plan_changed.set()
        opened_at = time.monotonic()
        loss = await self._socket.wait_lost()
        self.absorb()
        self._socket = None
        loss = self._said_by_broker() or loss
        return loss, self.table.streaming > 0 or time.monotonic() - opened_at > _GOOD_SECONDS

    def _forget_untold(self) -> None:
        """Drop rows of what is neither wanted nor told: no unsubscribe will, where the socket was lost before."""
        self._note_gone(self.table.retain({**self._wanted, **self.sent}))

    def _note_gone(self, instrument_ids: Collection[int]) -> None:
        self.dropped.update(instrument_ids)
        self.is_thinned = self.is_thinned or bool(instrument_ids)

    def _said_by_broker(self) -> Loss | None:
        """Return the loss as the broker's disconnect packet explains it, if one has come."""
        reason = self.table.disconnect_reason
        return None if reason is None else Loss(reaction_to(reason), describe(reason))

    def _count_turn(self, reaction: Reaction) -> None:
        is_failure = reaction in {Reaction.COME_BACK, Reaction.STOP}
        self.failed_turns = self.failed_turns + 1 if is_failure else 0
        self.state_changed.set()

    @staticmethod
    async def _wait_for_other_credentials(used: Credentials | None, read: ReadCredentials) -> None:
        while True:
            await asyncio.sleep(_CREDENTIALS_BEAT_SECONDS)
            if read() != used:
                return

    def _become(self, state: ConnectionState, reason: str) -> None:
        if (state, reason) == (self.state, self.last_error):
            return
        logger.log(
            logging.ERROR if state is ConnectionState.STOPPED else logging.INFO,
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
        self.state, self.last_error = state, reason
        self.state_changed.set()
