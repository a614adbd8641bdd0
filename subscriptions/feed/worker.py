"""What one feed worker holds: an owner, a reconciler and a publisher for each lease, on one event loop.

The leases are kept in a thread of their own and told here; a new one starts its three tasks, a lost one ends
them and drops the socket without another word. On a stop every connection says goodbye, takes its report off the
board, and only then are the leases released, so that a successor opens after we have closed. Whatever fails
unexpectedly ends the whole holder: the worker is started anew, and its start is the recovery.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from marketdata import quote_board
from marketdata.dhan.disconnects import Reaction
from marketdata.quote_board import BoardError, OwnerBoard, OwnerRequest
from subscriptions.domain.connection_life import Disconnect, DisconnectCause
from subscriptions.domain.watchdog import Limits
from subscriptions.feed.connection.credentials import CredentialsReader, NoteRefusal, ReadCredentials
from subscriptions.feed.connection.gate import OpeningGate
from subscriptions.feed.connection.monitor import DataMonitor, IsStreamingExpected, refresh_sessions_on_beat
from subscriptions.feed.connection.owner import Owner
from subscriptions.feed.connection.socket import KeepaliveTimeouts
from subscriptions.feed.heartbeat import send_heartbeats
from subscriptions.feed.ownership.fence import Fence
from subscriptions.feed.ownership.keeper import LeaseKeeper
from subscriptions.feed.ownership.statements import Cooldown, Lease
from subscriptions.feed.plan.arrivals import Arrivals
from subscriptions.feed.plan.failover import FailoverMonitor
from subscriptions.feed.plan.reconciler import Reconciler
from subscriptions.feed.plan.seeding import Seeder
from subscriptions.feed.publishing.publisher import Publisher
from subscriptions.feed.threads import reraise_cancellation

logger = logging.getLogger(__name__)

_RELISTEN_SECONDS: Final = 1.0
_RELEASE_SECONDS: Final = 2.0
_CANCEL_AGAIN_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """How a worker holds connections; times in seconds."""

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
    refresh_sessions: Callable[[], None]
    limits: Limits
    keepalive: KeepaliveTimeouts
    cooldown_seconds: float
    frozen_seconds: float


class OwnedConnection:
    """One lease with all that runs under it."""

    def __init__(self, lease: Lease, board: OwnerBoard, settings: FeedSettings, keeper: LeaseKeeper) -> None:
        fence = Fence(keeper.renewed_at, frozen_seconds=settings.frozen_seconds)
        self.owner = Owner(lease, is_confirmed=keeper.is_confirmed, fence=fence)
        self.reconciler = Reconciler(self.owner, pause_seconds=settings.message_pause_seconds)
        self.arrivals = Arrivals(self.owner)
        self.publisher = Publisher(self.owner, board, name=settings.name, flush_seconds=settings.flush_seconds)
        self.watch = DataMonitor(self.owner, limits=settings.limits, is_expected=settings.is_streaming_expected)

    async def run(self, gate: OpeningGate, credentials_reader: CredentialsReader, settings: FeedSettings) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(
                self.owner.run(
                    url=settings.feed_url,
                    gate=gate,
                    credentials_reader=credentials_reader,
                    keepalive=settings.keepalive,
                )
            )
            group.create_task(self.watch.run())
            group.create_task(self.reconciler.run())
            group.create_task(self.arrivals.run())
            group.create_task(self.publisher.run())

    async def release(self) -> None:
        await self.owner.leave()
        await self.publisher.withdraw()


class FeedWorker:
    """Holds connections from `run` until `stop` is set."""

    def __init__(self, settings: FeedSettings, stop: asyncio.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._leases: frozenset[Lease] = frozenset()
        self._is_cooling_down = False
        self._leases_changed = asyncio.Event()
        self._connections: dict[Lease, tuple[OwnedConnection, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Hold what can be had until told to stop; raises what was not foreseen."""
        loop = asyncio.get_running_loop()

        def on_change(leases: frozenset[Lease]) -> None:
            loop.call_soon_threadsafe(self._set_leases, leases)

        def on_cooldown_change(cooldown: Cooldown | None) -> None:
            loop.call_soon_threadsafe(self._apply_cooldown, gate, cooldown)

        board = quote_board.connect_owner()
        keeper = LeaseKeeper(
            self._settings.database,
            owner=self._settings.name,
            limit=self._settings.limit,
            on_change=on_change,
            on_cooldown_change=on_cooldown_change,
            frozen_seconds=self._settings.frozen_seconds,
        )
        gate = OpeningGate(
            keeper, pause_seconds=self._settings.open_pause_seconds, cooldown_seconds=self._settings.cooldown_seconds
        )
        credentials_reader = CredentialsReader(self._settings.read_credentials, self._settings.note_refusal)
        failover = FailoverMonitor(grace_seconds=self._settings.failover_grace_seconds)
        seeder = Seeder(
            lambda: [owned.owner for owned, _ in self._connections.values()],
            credentials_reader.read,
        )
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="leases") as thread:
            keeper_done = loop.run_in_executor(thread, keeper.run)
            try:
                async with asyncio.TaskGroup() as group:
                    services = (
                        gate.run(),
                        self._listen_forever(board),
                        seeder.run(),
                        failover.run(),
                        refresh_sessions_on_beat(self._settings.refresh_sessions),
                        send_heartbeats(),
                        _raise_from(keeper_done),
                    )
                    background = [group.create_task(service) for service in services]
                    keeper_done.add_done_callback(
                        lambda _: loop.call_later(_CANCEL_AGAIN_SECONDS, cancel_until_done, background)
                    )
                    await self._follow_leases(group, board, gate, credentials_reader, keeper)
                    await self._release_all()
                    cancel_until_done(background)
            finally:
                for owned, _ in self._connections.values():
                    owned.owner.abort()
                keeper.stop()
                await asyncio.wait([keeper_done], timeout=_RELEASE_SECONDS)
        logger.info("%s: all connections given up", self._settings.name)

    def _apply_cooldown(self, gate: OpeningGate, cooldown: Cooldown | None) -> None:
        """Note the account's quiet, and close everything where that is asked for."""
        gate.update_cooldown(cooldown)
        if cooldown is not None and not self._is_cooling_down:
            logger.error(
                "the account is quiet for %.0f s (%s); of %d sockets here %s",
                cooldown.seconds,
                cooldown.reason,
                sum(owned.owner.has_socket for owned, _ in self._connections.values()),
                "all are closed" if cooldown.closes_all else "none is closed",
            )
        self._is_cooling_down = cooldown is not None
        if cooldown is not None and cooldown.closes_all:
            for owned, _ in self._connections.values():
                owned.owner.close_socket(Disconnect(Reaction.STOP_ALL, cooldown.reason, DisconnectCause.COOLDOWN))

    def _set_leases(self, leases: frozenset[Lease]) -> None:
        self._leases = leases
        self._leases_changed.set()

    async def _follow_leases(
        self,
        group: asyncio.TaskGroup,
        board: OwnerBoard,
        gate: OpeningGate,
        credentials_reader: CredentialsReader,
        keeper: LeaseKeeper,
    ) -> None:
        """Start what a new lease needs and end what a lost one had, until told to stop."""
        stopped = asyncio.ensure_future(self._stop.wait())
        while not self._stop.is_set():
            self._leases_changed.clear()
            for lease in self._connections.keys() - self._leases:
                logger.warning("connection %d, epoch %d: lease lost", lease.connection, lease.epoch)
                await self._drop(lease)
            for lease in sorted(self._leases - self._connections.keys(), key=lambda one: one.connection):
                logger.info("connection %d, epoch %d: taken by %s", lease.connection, lease.epoch, self._settings.name)
                owned = OwnedConnection(lease, board, self._settings, keeper)
                task = group.create_task(owned.run(gate, credentials_reader, self._settings))
                self._connections[lease] = owned, task
            changed = asyncio.ensure_future(self._leases_changed.wait())
            await asyncio.wait([changed, stopped], return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
        stopped.cancel()

    async def _drop(self, lease: Lease) -> None:
        owned, task = self._connections.pop(lease)
        owned.owner.abort()
        task.cancel()
        await asyncio.wait([task])
        owned.owner.abort()

    async def _release_all(self) -> None:
        tasks = [task for _, task in self._connections.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await asyncio.gather(*(owned.release() for owned, _ in self._connections.values()))
        except TimeoutError:
            logger.warning("%s: goodbyes took too long; sockets are dropped", self._settings.name)
        for owned, _ in self._connections.values():
            owned.owner.abort()
        self._connections.clear()

    async def _listen_forever(self, board: OwnerBoard) -> None:
        """Pass nudges and asks on. After any silence of the board everyone looks again: nudges may be lost."""
        while True:
            try:
                async for request in board.requests():
                    self._wake(request)
            except (BoardError, OSError) as error:
                logger.warning("nudges cannot be heard (%s); trying again", type(error).__name__)
            reraise_cancellation()  # Redis' client may take it for the end of what it listened to.
            await asyncio.sleep(_RELISTEN_SECONDS)
            self._wake(OwnerRequest(full_frame_of=None))

    def _wake(self, request: OwnerRequest) -> None:
        for owned, _ in self._connections.values():
            if request.full_frame_of is None:
                owned.reconciler.nudge()
            elif request.full_frame_of == owned.owner.lease.connection:
                owned.publisher.ask()


def cancel_until_done(tasks: Sequence[asyncio.Task[None]]) -> None:
    """End tasks, and again while they live: a client library may lose a cancellation, and all would wait for it."""
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    if left:
        asyncio.get_running_loop().call_later(_CANCEL_AGAIN_SECONDS, cancel_until_done, left)


async def _raise_from(future: "asyncio.Future[None]") -> None:
    await asyncio.shield(future)
