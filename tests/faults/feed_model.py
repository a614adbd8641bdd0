"""A feed in miniature: workers, PostgreSQL and the broker on one clock that jumps from event to event.

Who takes what and when is decided by the product's own `LeaseKeeper`; modelled is what it talks to (a server with
leases, advisory locks and the gate's row; `tests/integration/subscriptions/feed/test_lease_model.py` holds that to the
real statements) and what obeys it: a loop that opens and drops sockets as `Holder`, `OpeningGate` and `Owner` do, and
a broker that counts them, drops a client that has been silent for 40 seconds, and is told of a dead process at once.

A beat of a keeper is one event; what can come between two steps of a loop (a freeze, a kill, another worker) does.
"""

import heapq
import itertools
import math
import random
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty
from typing import Any, Final

import psycopg

from subscriptions.feed.leases import FORMER_OWNERS_FIRST_SECONDS, TTL_SECONDS, Lease, Quiet
from subscriptions.feed.owner import HAND_OVER_SECONDS
from subscriptions.feed.ownership import LeaseKeeper

CONNECTIONS: Final = 5
SILENT_SECONDS: Final = 40.0
"""The broker drops a client that answers nothing for so long (docs/dhan.md)."""
HANDSHAKE_SECONDS: Final = 10.0
"""The broker waits so long for a handshake to be completed, at most."""
LOOP_SECONDS: Final = 0.1


class Clock:
    """Stands in for the module `time`, and holds what is to happen."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def monotonic(self) -> float:
        return self.now

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), act))

    def run(self, seconds: float) -> None:
        """Let everything happen that is due within `seconds`."""
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, act = heapq.heappop(self._events)
            act()
        self.now = end


@dataclass
class ModelRow:
    """A row of `feed_leases`."""

    owner: str = ""
    epoch: int = 0
    expires_at: float | None = None


class ModelServer:
    """PostgreSQL, as far as ownership is concerned."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.started_at = clock.now - 3_600.0
        self.is_up = True
        self.rows = {number: ModelRow() for number in range(1, CONNECTIONS + 1)}
        self.locks: dict[int, tuple[ModelSession, int]] = {}
        """Who holds the lock of each number, and how often: as many unlocks free it."""
        self.takeovers = 0

    def stop(self) -> None:
        """Go down; every session ends."""
        self.is_up = False
        self.locks.clear()

    def start(self) -> None:
        self.is_up, self.started_at = True, self.clock.now

    def end(self, session: "ModelSession") -> None:
        """End a session, which frees its locks."""
        session.is_open = False
        self.locks = {number: lock for number, lock in self.locks.items() if lock[0] is not session}


class ModelSession:
    """Has the methods of `LeaseSession`; `parameters` name the server."""

    def __init__(self, parameters: Mapping[str, Any], owner: str) -> None:
        self._server: ModelServer = parameters["server"]
        self._owner = owner
        self._started = self._server.started_at
        self.is_open = True
        self._insist()

    def close(self) -> None:
        self._server.end(self)

    def list_free(self, held: frozenset[Lease]) -> list[Lease]:
        numbers = {one.connection for one in held}
        return [
            Lease(number, row.epoch, row.owner not in {"", self._owner})
            for number, row in self._rows().items()
            if number not in numbers
        ]

    def take(self, seen: Lease) -> Lease | None:
        if not self.lock(seen.connection):
            return None
        row = self._rows()[seen.connection]
        is_settled = self._server.clock.now - self._server.started_at > FORMER_OWNERS_FIRST_SECONDS
        if row.epoch != seen.epoch or not (row.owner in {"", self._owner} or is_settled):
            self.unlock(seen.connection)
            return None
        self._server.takeovers += row.owner not in {"", self._owner}
        row.owner, row.epoch, row.expires_at = self._owner, row.epoch + 1, self._server.clock.now + TTL_SECONDS
        return Lease(seen.connection, row.epoch, seen.is_inherited)

    def renew(self, held: frozenset[Lease]) -> frozenset[Lease]:
        rows = self._rows()
        ours = {
            one for one in held if (rows[one.connection].owner, rows[one.connection].epoch) == (self._owner, one.epoch)
        }
        for one in ours:
            rows[one.connection].expires_at = self._server.clock.now + TTL_SECONDS
        return frozenset(ours)

    def release(self, lease: Lease) -> None:
        row = self._rows()[lease.connection]
        if (row.owner, row.epoch) == (self._owner, lease.epoch):
            row.owner, row.expires_at = "", None
        self.unlock(lease.connection)

    def lock(self, number: int) -> bool:
        self._insist()
        holder, times = self._server.locks.get(number, (self, 0))
        if holder is self:
            self._server.locks[number] = self, times + 1
        return holder is self

    def unlock(self, number: int) -> None:
        self._insist()
        holder, times = self._server.locks.get(number, (None, 0))
        if holder is self and times == 1:
            del self._server.locks[number]
        elif holder is self:
            self._server.locks[number] = self, times - 1

    def end_frozen(self, seen: Lease, *, after_seconds: float) -> str | None:
        row, (holder, _) = self._rows()[seen.connection], self._server.locks.get(seen.connection, (None, 0))
        if holder is None or row.owner == "" or row.epoch != seen.epoch or holder._owner != row.owner:
            return None
        if row.expires_at is None or row.expires_at >= self._server.clock.now - after_seconds:
            return None
        self._server.end(holder)
        return row.owner

    def read_quiet(self) -> Quiet | None:
        self._insist()
        return None

    def note_opened(self) -> None:
        self._insist()

    def _rows(self) -> dict[int, ModelRow]:
        self._insist()
        return self._server.rows

    def _insist(self) -> None:
        if not (self.is_open and self._server.is_up and self._started == self._server.started_at):
            raise psycopg.OperationalError("the session has ended")


class ModelBroker:
    """Counts sockets; the most there ever were is `high_water`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.sockets: dict[Socket, Worker] = {}
        self.high_water = 0
        self.story: list[str] = []

    def open(self, socket: "Socket", client: "Worker") -> None:
        self.sockets[socket] = client
        self.tell(f"{client.name} opens {socket.connection}: {len(self.sockets)} open")
        self.high_water = max(self.high_water, len(self.sockets))

    def close(self, socket: "Socket") -> None:
        if self.sockets.pop(socket, None) is not None:
            self.tell(f"{socket.connection} is closed: {len(self.sockets)} open")

    def tell(self, what: str) -> None:
        self.story = [*self.story[-60:], f"{self._clock.now:.3f} {what}"]


@dataclass(eq=False)
class Socket:
    """One socket of one lease, from the first byte sent to the last."""

    connection: int
    is_wanted: bool = True


@dataclass(eq=False)
class Holding:
    """What runs under one lease: it waits for its turn, has the turn, opens, and stays."""

    lease: Lease
    may_ask_at: float
    socket: Socket | None = None
    is_open: bool = False
    has_turn: bool = False


@dataclass(eq=False)
class Gate:
    """`OpeningGate`: one turn at a time, with the account's lock, and a pause after it."""

    turn: Holding | None = None
    asked: "Future[bool] | None" = None
    ask_again_at: float = 0.0
    is_over: bool = False


class Worker:
    """A process: a thread that keeps leases, a loop that obeys, and sockets. It may be frozen, and may die."""

    def __init__(
        self, name: str, server: ModelServer, broker: ModelBroker, chance: random.Random, *, limit: int
    ) -> None:
        self.name, self._server, self._broker, self._chance = name, server, broker, chance
        self._clock = server.clock
        self.is_alive, self.is_frozen = True, False
        self._told: frozenset[Lease] = frozenset()
        self._holdings: dict[Lease, Holding] = {}
        self._gate = Gate()
        self._frozen_at: float | None = None
        self.silent_until = 0.0
        """Until when it may have sockets that it does not speak for."""
        self.keeper = LeaseKeeper({"server": server}, owner=name, limit=limit, tell=self._hear)
        self._clock.after(chance.uniform(0, 1), self._beat)
        self._clock.after(chance.uniform(0, LOOP_SECONDS), self._turn_loop)

    # What happens to it.

    def kill(self) -> None:
        """End it: the kernel closes all its sockets, those to the broker and the one to the server."""
        self._broker.tell(f"{self.name} is killed")
        self.is_alive = False
        for socket, client in list(self._broker.sockets.items()):
            if client is self:
                self._broker.close(socket)
        self.cut_off()

    def vanish(self) -> None:
        """Lose its machine: nobody is told anything."""
        self._broker.tell(f"{self.name} vanishes")
        self.is_alive = False
        self.silent_until = self._clock.now + SILENT_SECONDS
        self._fall_silent()

    def freeze(self) -> None:
        self._broker.tell(f"{self.name} is frozen")
        self.is_frozen, self._frozen_at = True, self._clock.now
        self.silent_until = math.inf
        self._fall_silent()

    def thaw(self) -> None:
        """Go on where it was; which of thread and loop comes first is anyone's guess."""
        if not (self.is_alive and self.is_frozen):
            return
        self._broker.tell(f"{self.name} wakes")
        self.is_frozen, self._frozen_at = False, None
        self.silent_until = self._clock.now + HAND_OVER_SECONDS
        self._clock.after(self._chance.uniform(0, 0.005), self._beat)
        self._clock.after(self._chance.uniform(0, 0.005), self._turn_loop)

    def cut_off(self) -> None:
        """Lose the session to the server, as when it is ended there."""
        session = self.keeper._session
        if session is not None:
            self._server.end(session)  # type: ignore[arg-type]  # The model's.

    def _fall_silent(self) -> None:
        since = self._frozen_at if self.is_alive else None
        mine = [socket for socket, client in self._broker.sockets.items() if client is self]

        def drop() -> None:
            if not self.is_alive or (self.is_frozen and self._frozen_at == since):
                for socket in mine:
                    self._broker.close(socket)

        self._clock.after(SILENT_SECONDS, drop)

    # The thread: `LeaseKeeper.run`, an event at a time.

    def _beat(self) -> None:
        if not self._runs():
            return
        self._do_errands()
        is_renewed = bool(self.keeper._with_session(self.keeper._beat))
        pause = self.keeper._pause_after(is_renewed=is_renewed)
        self._clock.after(pause + self._chance.uniform(0, 0.02), self._beat)

    def _do_errands(self) -> None:
        while self._runs():
            try:
                errand = self.keeper._inbox.get_nowait()
            except Empty:
                return
            assert errand is not None
            errand()

    def _errands_soon(self) -> None:
        self._clock.after(self._chance.uniform(0, 0.01), self._do_errands)

    # The loop: `Holder`, `OpeningGate` and `Owner`.

    def _hear(self, held: frozenset[Lease]) -> None:
        self._told = held
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
        for lease in self._holdings.keys() - self._told:
            self._drop(self._holdings.pop(lease))
        for lease in sorted(self._told - self._holdings.keys(), key=lambda one: one.connection):
            pause = HAND_OVER_SECONDS if lease.is_inherited else 0.0
            self._holdings[lease] = Holding(lease, self._clock.now + pause)
        for holding in self._holdings.values():
            if holding.is_open and holding.socket not in self._broker.sockets:
                holding.is_open, holding.socket = False, None
                holding.may_ask_at = self._clock.now + self._chance.uniform(1, 2)

    def _drop(self, holding: Holding) -> None:
        """Abort; an opening that is under way ends in nothing, but only when it is through."""
        if holding.socket is not None:
            holding.socket.is_wanted = False
            if holding.is_open:
                self._broker.close(holding.socket)
        if self._gate.turn is holding:
            self._end_turn()

    def _run_gate(self) -> None:
        gate, now = self._gate, self._clock.now
        if gate.is_over:
            self.keeper.free_gate()
            self._errands_soon()
            self._gate = Gate()
            return
        if gate.turn is None:
            waiting = [one for one in self._holdings.values() if one.socket is None and one.may_ask_at <= now]
            gate.turn = waiting[0] if waiting else None
        if gate.turn is None or gate.turn.has_turn:
            self._open_if_assured()
        elif gate.asked is None and now >= gate.ask_again_at:
            gate.asked = self.keeper.try_gate()
            self._errands_soon()
        elif gate.asked is not None and gate.asked.done():
            gate.turn.has_turn = gate.asked.result()
            gate.asked, gate.ask_again_at = None, now + LOOP_SECONDS
            self._open_if_assured()

    def _open_if_assured(self) -> None:
        holding = self._gate.turn
        if holding is None or not holding.has_turn or holding.socket is not None or not self.keeper.is_assured():
            return
        holding.socket = socket = Socket(holding.lease.connection)
        began_at = self._clock.now
        self._clock.after(self._chance.uniform(0.001, 0.2), lambda: self._shake_hands(holding, socket, began_at))

    def _shake_hands(self, holding: Holding, socket: Socket, began_at: float) -> None:
        """Send the upgrade, which a loop that is frozen does when it wakes, if the broker still waits for it."""
        if not self.is_alive:
            return
        if self.is_frozen:
            self._clock.after(LOOP_SECONDS, lambda: self._shake_hands(holding, socket, began_at))
            return
        if self._clock.now - began_at < HANDSHAKE_SECONDS:
            self._broker.open(socket, self)
            if socket.is_wanted:
                holding.is_open = True
            else:
                self._broker.close(socket)
        else:
            holding.socket = None
        holding.has_turn = False
        if self._gate.turn is holding:
            self._end_turn()

    def _end_turn(self) -> None:
        holding = self._gate.turn
        if holding is not None:
            holding.has_turn = False
        self._gate.turn, self._gate.is_over = None, True

    def _runs(self) -> bool:
        return self.is_alive and not self.is_frozen


class World:
    """Everything, and what may happen to it; unless it `may_be_silent`, no process is frozen or loses its machine."""

    def __init__(self, chance: random.Random, clock: Clock, *, may_be_silent: bool, workers: int = 3) -> None:
        self.chance, self.clock, self._may_be_silent = chance, clock, may_be_silent
        self.server = ModelServer(clock)
        self.broker = ModelBroker(clock)
        self.running: list[Worker] = []
        self._ever: list[Worker] = []
        self._server_is_trusted_at = 0.0
        for _ in range(workers):
            self.start_worker()

    def start_worker(self) -> None:
        limit = self.chance.choice((2, 3, CONNECTIONS, CONNECTIONS))
        worker = Worker(f"worker{len(self._ever) + 1}", self.server, self.broker, self.chance, limit=limit)
        self.running.append(worker)
        self._ever.append(worker)

    def strike(self) -> None:
        """Let something go wrong, anything that may go wrong now."""
        possible: dict[Callable[[], None], float] = {self._kill: 6, self._reset: 2}
        if self._may_be_silent:
            possible |= {self._freeze: 6, self._vanish: 1}
        # What tells a frozen process from a dead one is its session. The server's own restart, or an operator who
        # ends the session, takes that away: with a process that is silent at the same time, two faults at once.
        if self.clock.now >= self._all_heard_from_at():
            possible |= {self._cut: 3, self._restart: 1}
        if self.clock.now < self._server_is_trusted_at:
            possible = {self._kill: 6, self._reset: 2}
        self.chance.choices(list(possible), list(possible.values()))[0]()

    def _all_heard_from_at(self) -> float:
        return max(one.silent_until for one in self._ever)

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
        self.broker.tell(f"{victim.name} loses its session")
        victim.cut_off()
        self._server_is_trusted_at = self.clock.now + HAND_OVER_SECONDS

    def _restart(self) -> None:
        seconds = self.chance.uniform(0.1, 8)
        self.broker.tell(f"the server stops for {seconds:.1f} s")
        self.server.stop()
        self.clock.after(seconds, self._start_server)
        self._server_is_trusted_at = self.clock.now + seconds + FORMER_OWNERS_FIRST_SECONDS

    def _reset(self) -> None:
        for socket in self.chance.sample(list(self.broker.sockets), k=min(1, len(self.broker.sockets))):
            self.broker.close(socket)

    def _start_server(self) -> None:
        self.broker.tell("the server starts")
        self.server.start()

    def _replace(self, dead: Worker) -> None:
        self.running.remove(dead)
        self.clock.after(self.chance.uniform(0.5, 6), self.start_worker)
