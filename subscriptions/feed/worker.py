"""The feed worker: one lifecycle, plan, monitor and publisher for each lease it owns, on one event loop.

Leases are kept in a separate thread, which calls back on every change. An unexpected error ends the whole worker;
the supervisor starts it again, and its start is its recovery.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from marketdata import quote_board
from marketdata.dhan.disconnects import Reaction
from marketdata.domain.tick_rules import EndedDays
from marketdata.quote_board import BoardError, OwnerBoard, OwnerRequest
from subscriptions.domain.connection_life import Disconnect, DisconnectCause
from subscriptions.domain.watchdog import Limits
from subscriptions.feed.connection.credentials import CredentialsReader, NoteRefusal, ReadCredentials
from subscriptions.feed.connection.gate import OpeningGate
from subscriptions.feed.connection.life import ConnectionLifecycle
from subscriptions.feed.connection.monitor import DataMonitor, IsStreamingExpected, refresh_sessions_on_beat
from subscriptions.feed.connection.other_trades import OtherTrades
from subscriptions.feed.connection.replacements import Replacements
from subscriptions.feed.connection.socket import KeepaliveTimeouts
from subscriptions.feed.heartbeat import send_heartbeats
from subscriptions.feed.ownership.fence import Fence
from subscriptions.feed.ownership.keeper import LeaseKeeper
from subscriptions.feed.ownership.statements import Cooldown, Lease
from subscriptions.feed.plan.arrivals import Arrivals
from subscriptions.feed.plan.closes import CloseReader, ReadCloses
from subscriptions.feed.plan.failover import FailoverMonitor
from subscriptions.feed.plan.reconciler import Reconciler
from subscriptions.feed.plan.seeding import Seeder
from subscriptions.feed.publishing.publisher import Publisher
from subscriptions.feed.threads import reraise_cancellation

logger = logging.getLogger(__name__)

_RELISTEN_SECONDS: Final = 1.0  # Chosen: short, so that few nudges of a restarted Redis are missed.
_RELEASE_SECONDS: Final = 2.0  # Chosen: twice the closing handshake (1 s), within the 5 s of a warm shutdown.
_CANCEL_AGAIN_SECONDS: Final = 0.5  # Chosen: four cancellations within `_RELEASE_SECONDS`.


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """The settings of a worker; times in seconds."""

    name: str
    limit: int
    feed_url: str
    read_credentials: ReadCredentials
    note_refusal: NoteRefusal
    database: Mapping[str, Any]
    flush_seconds: float
    open_pause_seconds: float
    message_pause_seconds: float
    failover_grace_seconds: float
    is_streaming_expected: IsStreamingExpected
    refresh_sessions: Callable[[], object]
    list_ended: Callable[[], EndedDays]
    read_closes: ReadCloses
    limits: Limits
    keepalive: KeepaliveTimeouts
    cooldown_seconds: float
    held_seconds: float
    frozen_seconds: float


class OwnedConnection:
    """One lease with the tasks that run under it."""

    def __init__(
        self,
        lease: Lease,
        board: OwnerBoard,
        settings: FeedSettings,
        keeper: LeaseKeeper,
        other_trades: OtherTrades,
    ) -> None:
        fence = Fence(keeper.renewed_at, frozen_seconds=settings.frozen_seconds)
        self.lifecycle = ConnectionLifecycle(
            lease, is_confirmed=keeper.is_confirmed, fence=fence, list_ended=settings.list_ended
        )
        self.reconciler = Reconciler(self.lifecycle, pause_seconds=settings.message_pause_seconds)
        self.publisher = Publisher(self.lifecycle, board, name=settings.name, flush_seconds=settings.flush_seconds)
        self._arrivals = Arrivals(self.lifecycle)
        self._monitor = DataMonitor(
            self.lifecycle,
            limits=settings.limits,
            is_expected=settings.is_streaming_expected,
            other_trades=other_trades,
            replacements=Replacements(keeper, lease.connection),
        )

    async def run(self, gate: OpeningGate, credentials: CredentialsReader, settings: FeedSettings) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(
                self.lifecycle.run(
                    url=settings.feed_url, gate=gate, credentials=credentials, keepalive=settings.keepalive
                )
            )
            group.create_task(self._monitor.run())
            group.create_task(self.reconciler.run())
            group.create_task(self._arrivals.run())
            group.create_task(self.publisher.run())

    async def release(self) -> None:
        await self.lifecycle.leave()
        await self.publisher.withdraw()


class FeedWorker:
    """Owns connections from `run` until `stop` is set."""

    def __init__(self, settings: FeedSettings, stop: asyncio.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._leases: frozenset[Lease] = frozenset()
        self._leases_changed = asyncio.Event()
        self._is_cooling_down = False
        self._connections: dict[Lease, tuple[OwnedConnection, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Own connections up to the limit until stopped; raises every unexpected error."""
        # The order of things at a stop: connections close, reports are deleted, then the keeper releases the leases.
        loop = asyncio.get_running_loop()
        board = quote_board.connect_owner()
        keeper, gate = self._make_keeper(loop)
        credentials = CredentialsReader(self._settings.read_credentials, self._settings.note_refusal)
        failover = FailoverMonitor(grace_seconds=self._settings.failover_grace_seconds)
        seeder = Seeder(self._list_lifecycles, credentials.read)
        other_trades = OtherTrades()
        closes = CloseReader(self._list_lifecycles, self._settings.read_closes)
        # One thread, for the keeper alone: Django's database calls have another one.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="leases") as thread:
            keeper_done = loop.run_in_executor(thread, keeper.run)
            try:
                async with asyncio.TaskGroup() as group:
                    # Any of them that raises ends the whole group, and with it the worker.
                    services = (
                        gate.run(),
                        self._listen_forever(board),
                        other_trades.run(board),
                        seeder.run(),
                        closes.run(),
                        failover.run(),
                        refresh_sessions_on_beat(self._settings.refresh_sessions),
                        send_heartbeats(),
                        _raise_from(keeper_done),
                    )
                    background = [group.create_task(service) for service in services]
                    # A keeper that fails cancels the group. A task that lost that cancellation is cancelled again.
                    keeper_done.add_done_callback(
                        lambda _: loop.call_later(_CANCEL_AGAIN_SECONDS, cancel_until_done, background)
                    )

                    def start(lease: Lease) -> tuple[OwnedConnection, asyncio.Task[None]]:
                        owned = OwnedConnection(lease, board, self._settings, keeper, other_trades)
                        return owned, group.create_task(owned.run(gate, credentials, self._settings))

                    await self._follow_leases(start)
                    await self._release_all()
                    cancel_until_done(background)
            finally:
                # Sockets close before leases are released: a successor opens only after we have closed.
                for lifecycle in self._list_lifecycles():
                    lifecycle.abort()
                keeper.stop()
                await asyncio.wait([keeper_done], timeout=_RELEASE_SECONDS)
        logger.info("%s: all connections released", self._settings.name)

    def _make_keeper(self, loop: asyncio.AbstractEventLoop) -> tuple[LeaseKeeper, OpeningGate]:
        # The keeper calls both callbacks from its thread.
        def on_change(leases: frozenset[Lease]) -> None:
            loop.call_soon_threadsafe(self._set_leases, leases)

        def on_cooldown_change(cooldown: Cooldown | None) -> None:
            loop.call_soon_threadsafe(self._apply_cooldown, gate, cooldown)

        settings = self._settings
        keeper = LeaseKeeper(
            settings.database,
            owner=settings.name,
            limit=settings.limit,
            on_change=on_change,
            on_cooldown_change=on_cooldown_change,
            frozen_seconds=settings.frozen_seconds,
        )
        gate = OpeningGate(
            keeper,
            pause_seconds=settings.open_pause_seconds,
            cooldown_seconds=settings.cooldown_seconds,
            held_seconds=settings.held_seconds,
        )
        return keeper, gate

    def _list_lifecycles(self) -> Sequence[ConnectionLifecycle]:
        return [owned.lifecycle for owned, _ in self._connections.values()]

    def _apply_cooldown(self, gate: OpeningGate, cooldown: Cooldown | None) -> None:
        """Pass the account's cooldown to the gate, and close all sockets if it asks for that."""
        gate.update_cooldown(cooldown)
        if cooldown is not None and not self._is_cooling_down:
            # One refusal with 429 ends without help. After refusals in a row (a longer cooldown) and after 805 a person
            # must find what else uses the account.
            needs_person = cooldown.closes_all or cooldown.seconds > self._settings.cooldown_seconds
            logger.log(
                logging.ERROR if needs_person else logging.WARNING,
                "account cooldown for %.0f s (%s); %d sockets open here, %s",
                cooldown.seconds,
                cooldown.reason,
                sum(one.has_socket for one in self._list_lifecycles()),
                "closing all" if cooldown.closes_all else "closing none",
            )
        self._is_cooling_down = cooldown is not None
        if cooldown is not None and cooldown.closes_all:
            for lifecycle in self._list_lifecycles():
                lifecycle.close_socket(Disconnect(Reaction.STOP_ALL, cooldown.reason, DisconnectCause.COOLDOWN))

    def _set_leases(self, leases: frozenset[Lease]) -> None:
        self._leases = leases
        self._leases_changed.set()

    async def _follow_leases(self, start: Callable[[Lease], tuple[OwnedConnection, asyncio.Task[None]]]) -> None:
        """Start the tasks of each new lease and end those of each lost one, until stopped."""
        stopped = asyncio.ensure_future(self._stop.wait())
        while not self._stop.is_set():
            # Cleared before the sets are compared: a change in between wakes the loop again.
            self._leases_changed.clear()
            for lease in self._connections.keys() - self._leases:
                logger.warning("connection %d, epoch %d: lease lost", lease.connection, lease.epoch)
                await self._drop(lease)
            # A connection that was lost and taken again has a new epoch: another lease, with new tasks.
            for lease in sorted(self._leases - self._connections.keys(), key=lambda one: one.connection):
                logger.info("connection %d, epoch %d: taken by %s", lease.connection, lease.epoch, self._settings.name)
                self._connections[lease] = start(lease)
            changed = asyncio.ensure_future(self._leases_changed.wait())
            await asyncio.wait([changed, stopped], return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
        stopped.cancel()

    async def _drop(self, lease: Lease) -> None:
        owned, task = self._connections.pop(lease)
        # The socket closes at once. An opening that was under way may still complete before the task ends, so the
        # second call closes that one.
        owned.lifecycle.abort()
        task.cancel()
        await asyncio.wait([task])
        owned.lifecycle.abort()

    async def _release_all(self) -> None:
        # First the tasks end, so that none sends or reopens while the sockets close.
        tasks = [task for _, task in self._connections.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await asyncio.gather(*(owned.release() for owned, _ in self._connections.values()))
        except TimeoutError:
            logger.warning(
                "%s: closing handshakes timed out after %.0f s; aborting %d sockets",
                self._settings.name,
                _RELEASE_SECONDS,
                sum(one.has_socket for one in self._list_lifecycles()),
            )
        for lifecycle in self._list_lifecycles():
            lifecycle.abort()
        self._connections.clear()

    async def _listen_forever(self, board: OwnerBoard) -> None:
        """Dispatch nudges and full-frame requests; after every gap all reconcilers read, since a nudge may be lost."""
        while True:
            try:
                async for request in board.requests():
                    self._dispatch(request)
            except (BoardError, OSError) as error:
                logger.warning("owner requests unreadable (%s); listening again", type(error).__name__)
            # redis-py may swallow a cancellation and end the iteration instead.
            reraise_cancellation()
            await asyncio.sleep(_RELISTEN_SECONDS)
            self._dispatch(OwnerRequest(full_frame_of=None))

    def _dispatch(self, request: OwnerRequest) -> None:
        for owned, _ in self._connections.values():
            if request.full_frame_of is None:
                owned.reconciler.nudge()
            elif request.full_frame_of == owned.lifecycle.lease.connection:
                owned.publisher.request_full_frame()


def cancel_until_done(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks, and again after a pause while any runs: a library may swallow a cancellation."""
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    if left:
        asyncio.get_running_loop().call_later(_CANCEL_AGAIN_SECONDS, cancel_until_done, left)


async def _raise_from(future: "asyncio.Future[None]") -> None:
    await asyncio.shield(future)
