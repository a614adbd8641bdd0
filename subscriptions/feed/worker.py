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
from subscriptions.domain.connection_life import Loss, LossCause
from subscriptions.domain.watchdog import Limits
from subscriptions.feed.aside import heed_cancellation
from subscriptions.feed.connection.credentials import Identity, NoteRefusal, ReadCredentials
from subscriptions.feed.connection.gate import OpeningGate
from subscriptions.feed.connection.owner import Owner
from subscriptions.feed.connection.socket import Patience
from subscriptions.feed.connection.watch import DataWatch, IsStreamingExpected, keep_sessions_fresh
from subscriptions.feed.life_signs import give_life_signs
from subscriptions.feed.ownership.fence import Fence
from subscriptions.feed.ownership.keeper import LeaseKeeper
from subscriptions.feed.ownership.statements import Lease, Quiet
from subscriptions.feed.plan.arrivals import Arrivals
from subscriptions.feed.plan.failover import Failovers
from subscriptions.feed.plan.reconciler import Reconciler
from subscriptions.feed.plan.seeding import Seeder
from subscriptions.feed.publishing.publisher import Publisher

logger = logging.getLogger(__name__)

_LISTEN_AGAIN_SECONDS: Final = 1.0
_LET_GO_SECONDS: Final = 2.0
_END_AGAIN_SECONDS: Final = 0.5


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
    patience: Patience
    quiet_seconds: float
    frozen_seconds: float


class _Holding:
    """One lease with all that runs under it."""

    def __init__(self, lease: Lease, board: OwnerBoard, settings: FeedSettings, keeper: LeaseKeeper) -> None:
        fence = Fence(keeper.renewed_at, frozen_seconds=settings.frozen_seconds)
        self.owner = Owner(lease, is_assured=keeper.is_assured, fence=fence)
        self.reconciler = Reconciler(self.owner, pause_seconds=settings.message_pause_seconds)
        self.arrivals = Arrivals(self.owner)
        self.publisher = Publisher(self.owner, board, name=settings.name, flush_seconds=settings.flush_seconds)
        self.watch = DataWatch(self.owner, limits=settings.limits, is_expected=settings.is_streaming_expected)

    async def run(self, gate: OpeningGate, identity: Identity, settings: FeedSettings) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(
                self.owner.run(url=settings.feed_url, gate=gate, identity=identity, patience=settings.patience)
            )
            group.create_task(self.watch.run())
            group.create_task(self.reconciler.run())
            group.create_task(self.arrivals.run())
            group.create_task(self.publisher.run())

    async def give_up(self) -> None:
        await self.owner.leave()
        await self.publisher.withdraw()


class Holder:
    """Holds connections from `run` until `stop` is set."""

    def __init__(self, settings: FeedSettings, stop: asyncio.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._leases: frozenset[Lease] = frozenset()
        self._is_quiet = False
        self._told = asyncio.Event()
        self._holdings: dict[Lease, tuple[_Holding, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Hold what can be had until told to stop; raises what was not foreseen."""
        loop = asyncio.get_running_loop()

        def tell(leases: frozenset[Lease]) -> None:
            loop.call_soon_threadsafe(self._take_note, leases)

        def tell_quiet(quiet: Quiet | None) -> None:
            loop.call_soon_threadsafe(self._heed, gate, quiet)

        board = quote_board.connect_owner()
        keeper = LeaseKeeper(
            self._settings.database,
            owner=self._settings.name,
            limit=self._settings.limit,
            tell=tell,
            tell_quiet=tell_quiet,
            frozen_seconds=self._settings.frozen_seconds,
        )
        gate = OpeningGate(
            keeper, pause_seconds=self._settings.open_pause_seconds, quiet_seconds=self._settings.quiet_seconds
        )
        identity = Identity(self._settings.read_credentials, self._settings.note_refusal)
        failovers = Failovers(grace_seconds=self._settings.failover_grace_seconds)
        seeder = Seeder(
            lambda: [holding.owner for holding, _ in self._holdings.values()],
            identity.read,
        )
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="leases") as thread:
            keeping = loop.run_in_executor(thread, keeper.run)
            try:
                async with asyncio.TaskGroup() as group:
                    services = (
                        gate.run(),
                        self._listen_forever(board),
                        seeder.run(),
                        failovers.run(),
                        keep_sessions_fresh(self._settings.refresh_sessions),
                        give_life_signs(),
                        _raise_from(keeping),
                    )
                    background = [group.create_task(service) for service in services]
                    keeping.add_done_callback(lambda _: loop.call_later(_END_AGAIN_SECONDS, end_tasks, background))
                    await self._follow_leases(group, board, gate, identity, keeper)
                    await self._give_up_all()
                    end_tasks(background)
            finally:
                for holding, _ in self._holdings.values():
                    holding.owner.abort()
                keeper.stop()
                await asyncio.wait([keeping], timeout=_LET_GO_SECONDS)
        logger.info("%s: all connections given up", self._settings.name)

    def _heed(self, gate: OpeningGate, quiet: Quiet | None) -> None:
        """Note the account's quiet, and close everything where that is asked for."""
        gate.take_note(quiet)
        if quiet is not None and not self._is_quiet:
            logger.error(
                "the account is quiet for %.0f s (%s); of %d sockets here %s",
                quiet.seconds,
                quiet.reason,
                sum(holding.owner.has_socket for holding, _ in self._holdings.values()),
                "all are closed" if quiet.closes_all else "none is closed",
            )
        self._is_quiet = quiet is not None
        if quiet is not None and quiet.closes_all:
            for holding, _ in self._holdings.values():
                holding.owner.end_socket(Loss(Reaction.STOP_ALL, quiet.reason, LossCause.QUIET))

    def _take_note(self, leases: frozenset[Lease]) -> None:
        self._leases = leases
        self._told.set()

    async def _follow_leases(
        self,
        group: asyncio.TaskGroup,
        board: OwnerBoard,
        gate: OpeningGate,
        identity: Identity,
        keeper: LeaseKeeper,
    ) -> None:
        """Start what a new lease needs and end what a lost one had, until told to stop."""
        stopped = asyncio.ensure_future(self._stop.wait())
        while not self._stop.is_set():
            self._told.clear()
            for lease in self._holdings.keys() - self._leases:
                logger.warning("connection %d, epoch %d: lease lost", lease.connection, lease.epoch)
                await self._drop(lease)
            for lease in sorted(self._leases - self._holdings.keys(), key=lambda one: one.connection):
                logger.info("connection %d, epoch %d: taken by %s", lease.connection, lease.epoch, self._settings.name)
                holding = _Holding(lease, board, self._settings, keeper)
                task = group.create_task(holding.run(gate, identity, self._settings))
                self._holdings[lease] = holding, task
            told = asyncio.ensure_future(self._told.wait())
            await asyncio.wait([told, stopped], return_when=asyncio.FIRST_COMPLETED)
            told.cancel()
        stopped.cancel()

    async def _drop(self, lease: Lease) -> None:
        holding, task = self._holdings.pop(lease)
        holding.owner.abort()
        task.cancel()
        await asyncio.wait([task])
        holding.owner.abort()

    async def _give_up_all(self) -> None:
        tasks = [task for _, task in self._holdings.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        try:
            async with asyncio.timeout(_LET_GO_SECONDS):
                await asyncio.gather(*(holding.give_up() for holding, _ in self._holdings.values()))
        except TimeoutError:
            logger.warning("%s: goodbyes took too long; sockets are dropped", self._settings.name)
        for holding, _ in self._holdings.values():
            holding.owner.abort()
        self._holdings.clear()

    async def _listen_forever(self, board: OwnerBoard) -> None:
        """Pass nudges and asks on. After any silence of the board everyone looks again: nudges may be lost."""
        while True:
            try:
                async for request in board.requests():
                    self._wake(request)
            except (BoardError, OSError) as error:
                logger.warning("nudges cannot be heard (%s); trying again", type(error).__name__)
            heed_cancellation()  # Redis' client may take it for the end of what it listened to.
            await asyncio.sleep(_LISTEN_AGAIN_SECONDS)
            self._wake(OwnerRequest(full_frame_of=None))

    def _wake(self, request: OwnerRequest) -> None:
        for holding, _ in self._holdings.values():
            if request.full_frame_of is None:
                holding.reconciler.nudge()
            elif request.full_frame_of == holding.owner.lease.connection:
                holding.publisher.ask()


def end_tasks(tasks: Sequence[asyncio.Task[None]]) -> None:
    """End tasks, and again while they live: a client library may lose a cancellation, and all would wait for it."""
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    if left:
        asyncio.get_running_loop().call_later(_END_AGAIN_SECONDS, end_tasks, left)


async def _raise_from(future: "asyncio.Future[None]") -> None:
    await asyncio.shield(future)
