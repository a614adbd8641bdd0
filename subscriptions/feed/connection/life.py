"""The lifecycle of one owned connection: it opens a socket, keeps it until it is lost, waits and opens the next.

States follow the graph of `subscriptions.domain.connection_life`; how long to wait is decided there too. Everything
runs on one event loop, so no lock is needed. Only the methods of this class change its attributes; other tasks call
them: the flush drains packets, the monitor closes bad sockets, the reconciler replaces the plan and sends.
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
from marketdata.domain.feed import ConnectionState, DeliveryReading
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.tick_rules import EndedDays
from subscriptions.domain.connection_life import Attempts, Disconnect, DisconnectCause, SocketLifetime, may_follow
from subscriptions.domain.wanted import WantedInstrument
from subscriptions.feed.connection.credentials import CredentialsReader
from subscriptions.feed.connection.gate import OpeningGate
from subscriptions.feed.connection.socket import KEEPALIVE, FeedSocket, KeepaliveTimeouts, RefusedError, open_socket
from subscriptions.feed.ownership.fence import Fence
from subscriptions.feed.ownership.keeper import BEAT_SECONDS
from subscriptions.feed.ownership.statements import Lease
from subscriptions.feed.plan.plan import Plan

logger = logging.getLogger(__name__)

# A running former owner learns of its successor at its next beat; chosen: half a second more for closing.
HAND_OVER_SECONDS: Final = BEAT_SECONDS + 0.5
_CONFIRM_POLL_SECONDS: Final = 0.1  # Chosen: a tenth of the keeper's beat; only polled while unconfirmed.
_SLOT_POLL_SECONDS: Final = 0.5  # Chosen: a query twice a second; polled only while a slot may be held.
_PLAN_POLL_SECONDS: Final = 1.0  # Chosen: an operator who removes instruments sees the retry within a second.
# States in which the broker may have refused our credentials.
_REFUSED: Final = frozenset({ConnectionState.WAITING, ConnectionState.STOPPED})
_SUBSCRIBE_CODES: Final = frozenset(SUBSCRIBE_CODE.values())
_SLOT_HELD: Final = "it opens again when the broker no longer counts the lost socket"
_LOG_LEVELS: Final = {
    ConnectionState.STOPPED: logging.ERROR,
    # A refused token may be renewed; whether a person must enter one, `services.note_refusal` knows and logs.
    ConnectionState.WAITING: logging.WARNING,
    ConnectionState.MUTE: logging.WARNING,
}


class ConnectionLifecycle:
    """The sockets of a connection that this worker owns the lease of, one after another."""

    def __init__(
        self,
        lease: Lease,
        *,
        plan: Plan | None = None,
        is_confirmed: Callable[[], bool] = lambda: True,
        fence: Fence | None = None,
        list_ended: Callable[[], EndedDays] = dict,
    ) -> None:
        self.lease = lease
        self.plan = plan or Plan()
        self.fence = fence or Fence()
        self.table = QuoteTable()
        self.state = ConnectionState.OPENING
        self.last_error = ""
        self.is_retrying = False
        """Whether the next attempt follows a lost or refused socket by itself, without other credentials."""
        self.reconnects: Counter[DisconnectCause] = Counter()
        """Sockets lost or refused in this epoch, by cause."""
        self.sockets = 0
        """Sockets opened in this epoch."""
        self.last_packet_at_ms: int | None = None
        self.delivery = DeliveryReading()
        """How the packets arrive, as the monitor found it last."""
        self.ticking: frozenset[ExchangeSegment] = frozenset()
        """Segments with recent trades on this connection."""
        self._list_ended = list_ended
        self._is_confirmed = is_confirmed
        self._is_data_expected = True
        self._removed_ids: set[int] = set()
        self._is_full_frame_needed = False
        self._reportable = asyncio.Event()
        self._socket: FeedSocket | None = None
        self._close_reason: Disconnect | None = None
        self._attempts = Attempts()

    @property
    def failed_turns(self) -> int:
        """Consecutive failures of this connection's own turn at the gate; a long wait counts as one."""
        return self._attempts.failed_turns

    @property
    def has_socket(self) -> bool:
        """Whether a socket is open."""
        return self._socket is not None

    # Called by the other tasks of the connection.

    def replace_plan(self, wanted: Sequence[WantedInstrument]) -> None:
        """Replace the wanted set, and drop the rows of instruments that are neither wanted nor sent."""
        # An id that gives its key to another leaves the table and the last-value cache, as a removed one does.
        # Otherwise its last price would stand still in every mirror.
        self._note_removed(self.table.add(self.plan.replace(wanted)))
        self._drop_unplanned_rows()
        self._become_live_if_ready()

    def list_commands(self) -> Sequence[Request]:
        """Return the requests to send now, in order; empty while no socket is open."""
        return self.plan.list_commands() if self._socket is not None else []

    def send(self, request: Request) -> None:
        """Send one request and record it."""
        if self._socket is None:
            return
        is_subscribe = request.code in _SUBSCRIBE_CODES
        if is_subscribe:
            # The rows come first: a packet of an instrument without a row would count as a stranger's.
            ids = self.plan.ids_of(request.instruments)
            self._note_removed(self.table.add(ids))
            self._removed_ids.difference_update(ids.values())
        self._socket.send(request)
        self.plan.note_sent(request)
        if not is_subscribe:
            self._note_removed(self.table.remove(request.instruments))
        self._become_live_if_ready()

    def note_ticking(self, segments: Collection[ExchangeSegment]) -> None:
        """Note the segments with recent trades, as the publisher observes them, whatever the calendar says."""
        self.ticking = frozenset(segments)

    def drain(self) -> int:
        """Decode the packets received since the last call and return their number.

        Closes the socket after a disconnect packet. Only the flush calls this in a loop, so its metric covers all
        packets.
        """
        now_ms = time.time_ns() // 1_000_000
        # Trades override the calendar: in a segment that trades, packets are those of a session.
        ended = {segment: day for segment, day in self._list_ended().items() if segment not in self.ticking}
        packets = self.table.absorb(received_at_ms=now_ms, ended=ended)
        if packets:
            self.last_packet_at_ms = now_ms
            self._become_live_if_ready()
        if self.table.disconnect_reason is not None and self._socket is not None:
            self._socket.abort()
        return packets

    def expect_data(self, *, is_expected: bool) -> None:
        """Record whether any sent instrument is in session, as the monitor found it."""
        self._is_data_expected = is_expected
        self._become_live_if_ready()

    def note_delivery(self, delivery: DeliveryReading) -> None:
        """Record how the packets arrive; another condition is reported at once."""
        before, self.delivery = self.delivery, delivery
        if delivery.condition is not before.condition:
            logger.warning(
                "connection %d, epoch %d: %s; %d of %d due packets came",
                self.lease.connection,
                self.lease.epoch,
                delivery.condition.name.lower(),
                delivery.received,
                delivery.due,
            )
            self._reportable.set()

    def close_socket(self, reason: Disconnect) -> None:
        """Close the socket, if one is open, for our own reason; the first reason counts."""
        # The socket's end arrives later, in `wait_lost`; until then this reason is kept for the disconnect.
        if self._socket is not None and self._close_reason is None:
            self._close_reason = reason
            self._socket.abort()

    def check_fence(self) -> None:
        """Close the socket if another owner may have the connection."""
        if (why := self.fence.why_closed()) is not None:
            self.close_socket(Disconnect(Reaction.COME_BACK, why, DisconnectCause.FENCED))

    def list_arriving(self) -> Mapping[int, bool]:
        """Return the sent instruments that another connection still streams: id -> whether packets came here."""
        arriving = self.plan.list_arriving() if self._socket is not None else frozenset()
        with_packets = self.table.ids_with_packets() if arriving else frozenset()
        return {one: one in with_packets for one in arriving}

    def list_silent(self) -> Mapping[InstrumentKey, int]:
        """Return the sent instruments that a snapshot can help, ids by key, spots first."""
        ids = self.table.ids_to_seed() if self._socket is not None else frozenset()
        return self.plan.list_sent(ids) if ids else {}

    def take_removed_ids(self) -> Collection[int]:
        """Return the ids of rows removed since the last call; the last-value cache must delete them."""
        removed, self._removed_ids = self._removed_ids, set()
        return removed

    def take_full_frame_need(self) -> bool:
        """Return whether rows were removed since the last call; mirrors learn of removals from a full frame only."""
        is_needed, self._is_full_frame_needed = self._is_full_frame_needed, False
        return is_needed

    async def wait_reportable(self) -> None:
        """Wait until state, error or failed turns have changed since the last call."""
        await self._reportable.wait()
        self._reportable.clear()

    async def wait_confirmed(self) -> None:
        """Wait until the lease is confirmed and the fence open: a thawed process neither opens nor sends before."""
        while True:
            if self._is_confirmed() and self.fence.why_closed() is None:
                return
            await asyncio.sleep(_CONFIRM_POLL_SECONDS)

    # The lifecycle itself.

    async def run(
        self, *, url: str, gate: OpeningGate, credentials: CredentialsReader, keepalive: KeepaliveTimeouts = KEEPALIVE
    ) -> None:
        """Keep a socket open as long as the broker allows it."""
        if self.lease.is_inherited:
            # The former owner may still run with its socket open. First our epoch reaches the board, where its next
            # cache write finds it; then it has one beat to close. Only after that this owner opens.
            await self.fence.wait_announced()
            await asyncio.sleep(HAND_OVER_SECONDS)
            # Nobody closed the former owner's socket with a handshake, as far as this one knows.
            gate.slots.note_lost(self.lease.connection)
        while True:
            used = await credentials.read()
            # Without credentials no opening can succeed: wait for them, outside the gate.
            if used is None:
                self.is_retrying = False
                self._become(ConnectionState.WAITING, "no credentials")
                await credentials.wait_for_other_than(None, seconds=None)
                continue
            # Waits here and not inside the turn, where it would block the other connections.
            await self.wait_confirmed()
            await gate.wait_cooldown(self._note_waiting)
            await self._wait_for_slot(gate)
            self._become(ConnectionState.OPENING, self.last_error)
            disconnect, lifetime = await self._run_socket(url, gate, used, keepalive)
            # The domain decides about state and wait; chance is drawn here, since it has no randomness.
            retry = self._attempts.after(disconnect, lifetime, chance=random.random())  # noqa: S311
            self.reconnects[disconnect.cause] += 1
            self.is_retrying = disconnect.reaction is Reaction.COME_BACK
            self._become(retry.state, disconnect.reason)
            self._reportable.set()  # Failed turns count even where state and reason stay.
            # For the token renewal: a new token ends the wait below. A plan that is too large says nothing of it.
            if retry.state in _REFUSED and disconnect.reaction is not Reaction.FIX_PLAN:
                await credentials.note_refused(used, disconnect.reason)
            # Before the backoff too: failover may begin at once where the wait is long.
            await self._wait_for_slot(gate)
            await self._wait_for_retry(disconnect, retry.delay_seconds, credentials, used)

    async def leave(self) -> None:
        """Release the connection: send the disconnect request, close the socket, become `WANTED`."""
        if self._socket is not None:
            await self._socket.leave()
            self._socket = None
        self._become(ConnectionState.WANTED, "")

    def abort(self) -> None:
        """Drop the socket without another message: the lease is lost."""
        if self._socket is not None:
            self._socket.abort()
            self._socket = None

    async def _run_socket(
        self, url: str, gate: OpeningGate, credentials: Credentials, keepalive: KeepaliveTimeouts
    ) -> tuple[Disconnect, SocketLifetime | None]:
        """Open one socket and wait until it is lost; return why, and its lifetime if the broker accepted it."""
        try:
            await self._open(url, gate, credentials, keepalive)
        except RefusedError as error:
            return error.disconnect, None
        opened_at = time.monotonic()
        disconnect = await self._stay_open(gate)
        return disconnect, SocketLifetime(time.monotonic() - opened_at, is_heard=self.table.counters.packets > 0)

    async def _open(self, url: str, gate: OpeningGate, credentials: Credentials, keepalive: KeepaliveTimeouts) -> None:
        async with gate.turn(self._note_waiting):
            # Ownership is checked again after the wait for the turn, directly before the handshake.
            if (why := self.fence.why_closed()) is not None:
                raise RefusedError(Disconnect(Reaction.COME_BACK, why, DisconnectCause.FENCED))
            await self.wait_confirmed()
            self.table.begin_socket()
            self.plan.begin_socket()
            self._close_reason = None
            if not await gate.slots.may_open(self.lease.connection):
                raise RefusedError(Disconnect(Reaction.COME_BACK, _SLOT_HELD, DisconnectCause.HELD_SLOT))
            # No unsubscribe will remove these rows: the socket that was sent them is gone.
            self._drop_unplanned_rows()
            try:
                self._socket = await open_socket(url, credentials, self.table.append, keepalive=keepalive)
            except RefusedError as error:
                # Inside the turn: no other connection may open between the refusal and the cooldown.
                self.drain()  # The broker may send a disconnect packet and drop the socket during the handshake.
                raise RefusedError(await gate.apply(self._broker_disconnect() or error.disconnect)) from None
        self.sockets += 1
        gate.note_opened()

    async def _stay_open(self, gate: OpeningGate) -> Disconnect:
        """Let the other tasks use the socket until it is lost; return why."""
        assert self._socket is not None  # noqa: S101  `_open` has just set it.
        # Failover counts failed turns, and this one succeeded; whether the socket works shows its lifetime.
        self._attempts.opened()
        self._become(ConnectionState.SUBSCRIBING, "")
        self.plan.mark_changed()
        self._become_live_if_ready()
        # Cooldown and fence may have begun during the handshake, when there was no socket to close.
        if (why := gate.why_sockets_forbidden()) is not None:
            self.close_socket(Disconnect(Reaction.STOP_ALL, why, DisconnectCause.COOLDOWN))
        self.check_fence()
        dropped = await self._socket.wait_lost()
        self.drain()  # The last packets may include the broker's reason.
        self._socket = None
        broker_reason = self._broker_disconnect()
        if broker_reason is not None:
            broker_reason = await gate.apply(broker_reason)
        # A socket that the broker closed itself, by packet or close frame, has no slot any more. After an 805 for
        # another socket's slot this connection waits for that slot.
        is_slot_held = broker_reason is not None and broker_reason.cause is DisconnectCause.HELD_SLOT
        if is_slot_held or (broker_reason is None and dropped.cause is not DisconnectCause.BROKER):
            gate.slots.note_lost(self.lease.connection)
        else:
            gate.slots.note_closed(self.lease.connection)
        # In this order: the broker's reason, our own, the end of the WebSocket without either.
        return broker_reason or self._close_reason or dropped

    async def _wait_for_slot(self, gate: OpeningGate) -> None:
        """Wait until the broker no longer counts the lost socket; failover carries the instruments meanwhile."""
        while await gate.slots.is_held(self.lease.connection):
            if not self.failed_turns:
                self._note_waiting()
                self._become(self.state, f"{self.last_error or 'the former owner is gone'}; {_SLOT_HELD}")
            await asyncio.sleep(_SLOT_POLL_SECONDS)

    def _note_waiting(self) -> None:
        """Record that the connection is lost while it waits: failover carries its instruments where others are live."""
        if not self.failed_turns:
            self._attempts.note_waiting()
            self._reportable.set()

    async def _wait_for_retry(
        self, disconnect: Disconnect, seconds: float | None, credentials: CredentialsReader, used: Credentials
    ) -> None:
        """Wait as long as the disconnect asks for; new credentials end every wait."""
        if disconnect.reaction is not Reaction.FIX_PLAN:
            await credentials.wait_for_other_than(used, seconds=seconds)
            return
        # The broker refused the number of instruments: another attempt is of use with fewer of them only.
        refused = len(self.plan.wanted)
        while len(self.plan.wanted) >= refused:
            if await credentials.wait_for_other_than(used, seconds=_PLAN_POLL_SECONDS):
                return

    def _become_live_if_ready(self) -> None:
        """Become live once the whole plan was sent."""
        if self.state is not ConnectionState.SUBSCRIBING or not self.plan.is_fulfilled:
            return
        # After a mute socket a fulfilled plan proves nothing: where data is expected, a packet must come first.
        is_proof_needed = self._attempts.mutes > 0 and bool(self.plan.sent) and self._is_data_expected
        if not is_proof_needed or self.table.streaming:
            self._become(ConnectionState.LIVE, "")

    def _drop_unplanned_rows(self) -> None:
        self._note_removed(self.table.retain({**self.plan.wanted, **self.plan.sent}))

    def _note_removed(self, instrument_ids: Collection[int]) -> None:
        self._removed_ids.update(instrument_ids)
        self._is_full_frame_needed = self._is_full_frame_needed or bool(instrument_ids)

    def _broker_disconnect(self) -> Disconnect | None:
        """Return the broker's disconnect packet as a `Disconnect`, if one came on this socket."""
        reason = self.table.disconnect_reason
        return None if reason is None else Disconnect(reaction_to(reason), describe(reason), DisconnectCause.BROKER)

    def _become(self, state: ConnectionState, reason: str) -> None:
        if (state, reason) == (self.state, self.last_error):
            return
        if not may_follow(self.state, state):
            raise AssertionError(f"connection {self.lease.connection}: {self.state} cannot become {state}")
        logger.log(
            _LOG_LEVELS.get(state, logging.INFO),
            "connection %d, epoch %d: %s -> %s%s; wanted %d, sent %d, streaming %d, packets %d",
            self.lease.connection,
            self.lease.epoch,
            self.state,
            state,
            f" ({reason})" if reason else "",
            len(self.plan.wanted),
            len(self.plan.sent),
            self.table.streaming,
            self.table.counters.packets,
        )
        self.state, self.last_error = state, reason
        self._reportable.set()
