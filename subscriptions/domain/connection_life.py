"""The lifecycle of a connection as a graph of states, and the retry plan after each disconnect.

docs/architecture.md draws this graph; a test compares the two. `FAILED_OVER` is recorded by the worker that moved the
instruments, since a dead owner cannot; a new owner begins at `OPENING` after any state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from marketdata.dhan.disconnects import Reaction
from marketdata.domain.feed import ConnectionState as State
from subscriptions.domain.backoff import backoff_seconds, doubt_seconds, mute_seconds

_LOST: Final = frozenset({State.RECONNECTING, State.WAITING, State.STOPPED})

FOLLOWS: Final[Mapping[State, frozenset[State]]] = {
    State.WANTED: frozenset({State.OPENING}),
    State.OPENING: _LOST | {State.SUBSCRIBING, State.WANTED, State.FAILED_OVER},
    State.SUBSCRIBING: _LOST | {State.LIVE, State.MUTE, State.WANTED, State.FAILED_OVER},
    State.LIVE: _LOST | {State.MUTE, State.WANTED, State.FAILED_OVER},
    State.MUTE: frozenset({State.OPENING, State.WAITING, State.WANTED, State.FAILED_OVER}),
    State.RECONNECTING: frozenset({State.OPENING, State.WAITING, State.WANTED, State.FAILED_OVER}),
    State.WAITING: frozenset({State.OPENING, State.WANTED, State.FAILED_OVER}),
    State.STOPPED: frozenset({State.OPENING, State.WAITING, State.WANTED, State.FAILED_OVER}),
    State.FAILED_OVER: frozenset({State.OPENING, State.WANTED}),
}
"""The states that may follow each state. A state may always stay, with another reason."""

DOUBTS: Final = 3
"""Chosen: after three doubtful refusals in a row the state names the token as a possible reason."""
LASTING_SECONDS: Final = 60.0
"""Chosen: six pings of the broker (docs/dhan.md: one each 10 s), even if no instrument was wanted."""
BRIEF_SECONDS: Final = 2.0
"""Chosen: the broker drops a socket with a refused token at once, sometimes without a reason (docs/dhan.md)."""


class DisconnectCause(StrEnum):
    """Why a socket was lost or refused. The values are labels of the reconnect metric."""

    NETWORK = "network"  # dropped or refused without a reason
    BROKER = "broker"  # the broker gave a reason: disconnect packet, close frame or HTTP status
    MUTE = "mute"  # no packets although packets were expected
    BAD_DATA = "bad_data"  # too many packets were malformed or impossible
    COOLDOWN = "quiet"  # closed by us: the account is in a cooldown
    FENCED = "fenced"  # closed by us: another owner may have the connection
    HELD_SLOT = "held_slot"  # the broker still counts a lost socket of ours


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The end of a socket or of an opening: the reaction it asks for, its reason as shown to operators, its cause.

    It `is_doubtful` if a refused token and a network fault look the same: the broker does not always send a reason.
    """

    reaction: Reaction
    reason: str
    cause: DisconnectCause = DisconnectCause.NETWORK
    is_doubtful: bool = False


@dataclass(frozen=True, slots=True)
class SocketLifetime:
    """The lifetime of a socket, and whether any packet came on it."""

    seconds: float
    is_heard: bool

    @property
    def was_good(self) -> bool:
        """Whether the socket worked; the next disconnect is then the first in a row."""
        return self.is_heard or self.seconds > LASTING_SECONDS

    @property
    def was_lasting(self) -> bool:
        """Whether it streamed so long that a mute end is the first in a row."""
        return self.is_heard and self.seconds > LASTING_SECONDS


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """The state after a disconnect, and the seconds until the next attempt; None: not before new credentials."""

    state: State
    delay_seconds: float | None


def may_follow(before: State, after: State) -> bool:
    """Return whether the graph has this edge; every state may follow itself."""
    return before is after or after in FOLLOWS[before]


class Attempts:
    """Counts failures in a row and plans the retry after each. A socket that worked resets the counts."""

    def __init__(self) -> None:
        self.failed_turns = 0
        """Own turns at the gate that failed in a row; a wait for a slot, a cooldown or a token counts as one."""
        self.mutes = 0
        """Sockets in a row that were closed as mute."""
        self._attempt = 0
        self._doubts = 0

    def opened(self) -> None:
        """Record that the broker accepted a socket. Only its lifetime shows whether it works."""
        self.failed_turns = 0

    def note_waiting(self) -> None:
        """Count a wait for a held slot, a cooldown or another token as a failed turn: the connection is lost."""
        self.failed_turns = max(self.failed_turns, 1)

    def after(self, disconnect: Disconnect, lifetime: SocketLifetime | None, *, chance: float) -> RetryPlan:
        """Return the retry plan; `lifetime` is None if the opening was refused."""
        # 1. A good socket ends the row of failures. Mute sockets need the stricter test: each of them sends a first
        #    packet per instrument before it falls silent, and would count as good.
        if lifetime is not None and lifetime.was_good:
            self._attempt = self._doubts = 0
        if lifetime is not None and lifetime.was_lasting:
            self.mutes = 0
        # 2. Count this disconnect.
        self._attempt += 1
        self._doubts = self._doubts + 1 if _is_doubtful(disconnect, lifetime) else 0
        # 3. A mute socket has its own waits; a refused opening is a turn of the gate.
        if disconnect.cause is DisconnectCause.MUTE:
            return self._after_mute(chance)
        if lifetime is None:
            self._count_turn(disconnect.reaction)
        retry = self._after(disconnect.reaction, chance)
        # 4. Without other credentials no attempt follows: the connection is lost, also if its own turn did not fail.
        if retry.delay_seconds is None and disconnect.reaction is not Reaction.FIX_PLAN:
            self.note_waiting()
        return retry

    def _after_mute(self, chance: float) -> RetryPlan:
        # The first mute socket may be a network fault: retry at once. From the second on each counts as a failed turn,
        # so that failover begins, and the waits grow: the broker may still have the old socket in its books.
        self.mutes += 1
        if self.mutes > 1:
            self.failed_turns += 1
        return RetryPlan(State.MUTE, mute_seconds(attempt=self.mutes, chance=chance))

    def _count_turn(self, reaction: Reaction) -> None:
        # Another connection would be refused the same number of instruments.
        self.failed_turns = 0 if reaction is Reaction.FIX_PLAN else self.failed_turns + 1

    def _after(self, reaction: Reaction, chance: float) -> RetryPlan:
        match reaction:
            case Reaction.COME_BACK:
                state = State.WAITING if self._doubts >= DOUBTS else State.RECONNECTING
                return RetryPlan(state, backoff_seconds(attempt=self._attempt, chance=chance))
            case Reaction.WAIT | Reaction.STOP_ALL:
                return RetryPlan(State.RECONNECTING, 0.0)  # The gate waits for the end of the cooldown.
            case Reaction.DOUBT:
                return RetryPlan(State.WAITING, doubt_seconds(attempt=self._attempt, chance=chance))
            case Reaction.LOG_IN_AGAIN:
                return RetryPlan(State.WAITING, None)
            case Reaction.STOP | Reaction.FIX_PLAN:
                return RetryPlan(State.STOPPED, None)


def _is_doubtful(disconnect: Disconnect, lifetime: SocketLifetime | None) -> bool:
    """Return whether the token may be the reason: marked so, or dropped at once without reason or packet."""
    if lifetime is None or disconnect.is_doubtful:
        return disconnect.is_doubtful
    return disconnect.cause is DisconnectCause.NETWORK and lifetime.seconds < BRIEF_SECONDS and not lifetime.is_heard
