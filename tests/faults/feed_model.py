"""A model of the feed: workers, PostgreSQL and the broker on one clock that jumps from event to event.

The product's `LeaseKeeper` decides about ownership. The model replaces PostgreSQL (`model_server`), the event loop that
opens and closes sockets like `FeedWorker`, `OpeningGate` and `ConnectionLifecycle`, and a broker that counts sockets,
drops a client that is silent for 40 seconds, and notices a dead process at once. One cycle of a keeper is one event;
faults happen between events. `test_model_matches_the_feed.py` compares the model with real workers.
"""

import math
import random
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty
from typing import Any, Final, cast

from subscriptions.domain.ownership import ProcessStatus
from subscriptions.feed.connection.life import HAND_OVER_SECONDS
from subscriptions.feed.ownership.keeper import FROZEN_SECONDS, LeaseKeeper
from subscriptions.feed.ownership.statements import Lease, LeaseStatements
from tests.faults.model_server import CONNECTIONS, Clock, ModelServer, ModelSession

SILENT_SECONDS: Final = 40.0
"""The broker drops a client that sends nothing for this time (docs/dhan.md)."""
HANDSHAKE_SECONDS: Final = 10.0
"""The longest time that the broker waits for a complete handshake."""
LOOP_SECONDS: Final = 0.1


class ModelBroker:
    """Counts open sockets; `high_water` is the highest count so far."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.sockets: dict[Socket, Worker] = {}
        self.high_water = 0
        self.log: list[str] = []

    def open(self, socket: "Socket", client: "Worker") -> None:
        self.sockets[socket] = client
        self.record(f"{client.name} opens {socket.connection}: {len(self.sockets)} open")
        self.high_water = max(self.high_water, len(self.sockets))

    def close(self, socket: "Socket") -> None:
        if self.sockets.pop(socket, None) is not None:
            self.record(f"{socket.connection} is closed: {len(self.sockets)} open")

    def record(self, event: str) -> None:
        self.log = [*self.log[-60:], f"{self._clock.now:.3f} {event}"]


@dataclass(eq=False)
class Socket:
    """One socket of one lease, from the first byte sent to the last."""

    connection: int
    is_wanted: bool = True


@dataclass(eq=False)
class OwnedConnection:
    """The socket of one lease: waiting for its turn, opening, or open."""

    lease: Lease
    may_ask_at: float
    socket: Socket | None = None
    is_open: bool = False
    has_turn: bool = False


@dataclass(eq=False)
class Gate:
    """`OpeningGate`: one turn at a time, with the account's lock, and a pause after it."""

    turn: OwnedConnection | None = None
    request: "Future[bool] | None" = None
    ask_again_at: float = 0.0
    is_over: bool = False


class Worker:
    """A process: a thread that renews leases, a loop that follows them, and sockets. It may be frozen or killed."""

    def __init__(
        self,
        name: str,
        server: ModelServer,
        broker: ModelBroker,
        chance: random.Random,
        *,
        limit: int,
        process_status: Callable[[str], ProcessStatus],
        frozen_seconds: float = FROZEN_SECONDS,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        self._silent_seconds = silent_seconds
        self.name, self._server, self._broker, self._chance = name, server, broker, chance
        self._clock = server.clock
        self.is_alive, self.is_frozen, self.is_lost = True, False, False
        self._leases: frozenset[Lease] = frozenset()
        self._followed = self._leases  # As last seen by the loop: comparing the sets at each turn takes most time.
        self._connections: dict[Lease, OwnedConnection] = {}
        self._gate = Gate()
        self._frozen_at: float | None = None
        self.silent_until = 0.0
        """The time until which it may have sockets without renewing their leases."""
        self.keeper = LeaseKeeper(
            {"server": server},
            owner=name,
            limit=limit,
            on_change=self._receive_leases,
            frozen_seconds=frozen_seconds,
            process_status=process_status,
            connect=cast("Callable[[Mapping[str, Any], str], LeaseStatements]", ModelSession),
            clock=lambda: server.clock.now,
        )
        self._clock.after(chance.uniform(0, 1), self._beat)
        self._clock.after(chance.uniform(0, LOOP_SECONDS), self._turn_loop)

    # Faults.

    def kill(self) -> None:
        """Kill the process: the kernel closes its sockets to the broker and to PostgreSQL."""
        self._broker.record(f"{self.name} is killed")
        self.is_alive = False
        for socket, client in list(self._broker.sockets.items()):
            if client is self:
                self._broker.close(socket)
        self.cut_off()

    def stop(self) -> None:
        """Stop the process by a warm shutdown: it closes its sockets, then releases its leases."""
        self._broker.record(f"{self.name} stops")
        for owned in self._connections.values():
            self._drop(owned)
        self.keeper._with_database(self.keeper._release_all)
        self.kill()

    def vanish(self) -> None:
        """Lose the machine: neither the broker nor PostgreSQL notices."""
        self._broker.record(f"{self.name} vanishes")
        self.is_alive, self.is_lost = False, True
        self.silent_until = self._clock.now + self._silent_seconds
        self._start_silence()

    def freeze(self) -> None:
        self._broker.record(f"{self.name} is frozen")
        self.is_frozen, self._frozen_at = True, self._clock.now
        self.silent_until = math.inf
        self._start_silence()

    def thaw(self) -> None:
        """Continue after a freeze; thread and loop wake in random order."""
        if not (self.is_alive and self.is_frozen):
            return
        self._broker.record(f"{self.name} wakes")
        self.is_frozen, self._frozen_at = False, None
        self.silent_until = self._clock.now + HAND_OVER_SECONDS
        self._clock.after(self._chance.uniform(0, 0.005), self._beat)
        self._clock.after(self._chance.uniform(0, 0.005), self._turn_loop)

    def cut_off(self) -> None:
        """Lose the session to PostgreSQL, as after pg_terminate_backend."""
        session = self.keeper._database
        if session is not None:
            self._server.end(session)  # type: ignore[arg-type]  # A session of the model.

    def _start_silence(self) -> None:
        since = self._frozen_at if self.is_alive else None
        mine = [socket for socket, client in self._broker.sockets.items() if client is self]

        def drop() -> None:
            if not self.is_alive or (self.is_frozen and self._frozen_at == since):
                for socket in mine:
                    self._broker.close(socket)

        self._clock.after(self._silent_seconds, drop)

    # The thread: `LeaseKeeper.run`, one event at a time.

    def _beat(self) -> None:
        if not self._runs():
            return
        self._run_calls()
        is_renewed = bool(self.keeper._with_database(self.keeper._beat))
        pause = self.keeper._pause_after(is_renewed=is_renewed)
        self._clock.after(pause + self._chance.uniform(0, 0.02), self._beat)

    def _run_calls(self) -> None:
        while self._runs():
            try:
                call = self.keeper._inbox.get_nowait()
            except Empty:
                return
            assert call is not None
            call()

    def _schedule_calls(self) -> None:
        self._clock.after(self._chance.uniform(0, 0.01), self._run_calls)

    # The loop: `FeedWorker`, `OpeningGate` and `OwnedConnection`.

    def _receive_leases(self, owned: frozenset[Lease]) -> None:
        self._leases = owned
        self._clock.after(self._chance.uniform(0, 0.01), self._follow_leases)

    def _turn_loop(self) -> None:
        if not self._runs():
            return
        self._follow_leases()
        self._run_gate()
        self._clock.after(LOOP_SECONDS * self._chance.uniform(0.5, 1), self._turn_loop)

    def _follow_leases(self) -> None:
        if not self._runs():
            return
        if self._followed is not self._leases:
            self._followed = self._leases
            for lease in self._connections.keys() - self._leases:
                self._drop(self._connections.pop(lease))
            for lease in sorted(self._leases - self._connections.keys(), key=lambda one: one.connection):
                pause = HAND_OVER_SECONDS if lease.is_inherited else 0.0
                self._connections[lease] = OwnedConnection(lease, self._clock.now + pause)
        for owned in self._connections.values():
            if owned.is_open and owned.socket not in self._broker.sockets:
                owned.is_open, owned.socket = False, None
                owned.may_ask_at = self._clock.now + self._chance.uniform(1, 2)

    def _drop(self, owned: OwnedConnection) -> None:
        """Abort the socket; an opening in progress is discarded when it completes."""
        if owned.socket is not None:
            owned.socket.is_wanted = False
            if owned.is_open:
                self._broker.close(owned.socket)
        if self._gate.turn is owned:
            self._end_turn()

    def _run_gate(self) -> None:
        gate, now = self._gate, self._clock.now
        if gate.is_over:
            self.keeper.release_gate()
            self._schedule_calls()
            self._gate = Gate()
            return
        if gate.turn is None:
            waiting = [one for one in self._connections.values() if one.socket is None and one.may_ask_at <= now]
            gate.turn = waiting[0] if waiting else None
        if gate.turn is None or gate.turn.has_turn:
            self._open_if_confirmed()
        elif gate.request is None and now >= gate.ask_again_at:
            gate.request = self.keeper.try_gate()
            self._schedule_calls()
        elif gate.request is not None and gate.request.done():
            gate.turn.has_turn = gate.request.result()
            gate.request, gate.ask_again_at = None, now + LOOP_SECONDS
            self._open_if_confirmed()

    def _open_if_confirmed(self) -> None:
        owned = self._gate.turn
        if owned is None or not owned.has_turn or owned.socket is not None or not self.keeper.is_confirmed():
            return
        owned.socket = socket = Socket(owned.lease.connection)
        began_at = self._clock.now
        self._clock.after(self._chance.uniform(0.001, 0.2), lambda: self._shake_hands(owned, socket, began_at))

    def _shake_hands(self, owned: OwnedConnection, socket: Socket, began_at: float) -> None:
        """Send the upgrade; a frozen loop sends it after it wakes, if the broker still waits for it."""
        if not self.is_alive:
            return
        if self.is_frozen:
            self._clock.after(LOOP_SECONDS, lambda: self._shake_hands(owned, socket, began_at))
            return
        if self._clock.now - began_at < HANDSHAKE_SECONDS:
            self._broker.open(socket, self)
            if socket.is_wanted:
                owned.is_open = True
            else:
                self._broker.close(socket)
        else:
            owned.socket = None
        owned.has_turn = False
        if self._gate.turn is owned:
            self._end_turn()

    def _end_turn(self) -> None:
        owned = self._gate.turn
        if owned is not None:
            owned.has_turn = False
        self._gate.turn, self._gate.is_over = None, True

    def _runs(self) -> bool:
        return self.is_alive and not self.is_frozen


class World:
    """All workers, PostgreSQL and the broker, with their faults.

    No process is frozen unless `may_be_silent`. Either all workers are `together` on one machine, where each sees
    which others run, or each has a separate machine, which may be lost.
    """

    def __init__(
        self, chance: random.Random, clock: Clock, *, may_be_silent: bool, together: bool, workers: int = 3
    ) -> None:
        self.chance, self.clock, self._may_be_silent, self._together = chance, clock, may_be_silent, together
        self.server = ModelServer(clock, self._process_status)
        self.broker = ModelBroker(clock)
        self.running: list[Worker] = []
        self._ever: list[Worker] = []
        self._cut_is_over_at = 0.0
        for _ in range(workers):
            self.start_worker()

    def start_worker(self) -> None:
        limit = self.chance.choice((2, 3, CONNECTIONS, CONNECTIONS))
        name = f"worker{len(self._ever) + 1}"
        worker = Worker(name, self.server, self.broker, self.chance, limit=limit, process_status=self._process_status)
        self.running.append(worker)
        self._ever.append(worker)

    def strike(self) -> None:
        """Cause one random fault of those that are possible now."""
        possible: dict[Callable[[], None], float] = {self._kill: 6, self._reset: 2, self._restart: 1}
        if self._may_be_silent:
            possible |= {self._freeze: 6} if self._together else {self._freeze: 6, self._vanish: 1}
        # Another machine distinguishes a frozen process from a dead one only by its session, which an operator may end:
        # two faults at once, which are excluded where workers cannot see each other's processes.
        if self._together or self.clock.now >= self._all_renew_again_at():
            possible |= {self._cut: 3}
        if not self._together and self.clock.now < self._cut_is_over_at:
            possible = {self._kill: 6, self._reset: 2}
        self.chance.choices(list(possible), list(possible.values()))[0]()

    def _all_renew_again_at(self) -> float:
        return max(one.silent_until for one in self._ever)

    def _process_status(self, name: str) -> ProcessStatus:
        worker = next(one for one in self._ever if one.name == name)
        if worker.is_lost or not self._together:
            return ProcessStatus.ELSEWHERE
        return ProcessStatus.RUNNING if worker.is_alive else ProcessStatus.GONE

    def _kill(self) -> None:
        victim = self.chance.choice(self.running)
        victim.kill()
        self._replace(victim)

    def _vanish(self) -> None:
        victim = self.chance.choice(self.running)
        victim.vanish()
        self._replace(victim)

    def _freeze(self) -> None:
        victim = self.chance.choice(self.running)
        if victim.is_frozen:
            return
        victim.freeze()
        seconds = self.chance.choice((0.5, 2, 5, 30, 44, 46, 50, 90)) * self.chance.uniform(0.9, 1.1)
        self.clock.after(seconds, victim.thaw)

    def _cut(self) -> None:
        victim = self.chance.choice(self.running)
        self.broker.record(f"{victim.name} loses its session")
        victim.cut_off()
        self._cut_is_over_at = self.clock.now + HAND_OVER_SECONDS

    def _restart(self) -> None:
        if not self.server.is_up:
            return
        seconds = self.chance.uniform(0.1, 8)
        self.broker.record(f"the server stops for {seconds:.1f} s")
        self.server.stop()
        self.clock.after(seconds, self._start_server)

    def _reset(self) -> None:
        for socket in self.chance.sample(list(self.broker.sockets), k=min(1, len(self.broker.sockets))):
            self.broker.close(socket)

    def _start_server(self) -> None:
        self.broker.record("the server starts")
        self.server.start()

    def _replace(self, dead: Worker) -> None:
        self.running.remove(dead)
        self.clock.after(self.chance.uniform(0.5, 6), self.start_worker)
