"""The life of a connection as a graph: which state may follow which, and what a loss leads to.

Pure. The picture in docs/architecture.md is this table. `FAILED_OVER` is noted by whoever moved the instruments, for
a dead owner cannot; a new owner begins at `OPENING` whatever the former one left behind.
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
"""What may come after each state. Staying, with another reason, is always possible."""

DOUBTS: Final = 3
"""So many refusals in a row that look like the token's, and we say that it may be the token."""
LASTING_SECONDS: Final = 60.0
"""A socket that lived for so long was a good one, even if nothing was wanted on it."""
BRIEF_SECONDS: Final = 2.0
"""One that is dropped sooner without a word may have been refused for its token."""


class DisconnectCause(StrEnum):
    """Why a socket was lost or not got."""

    NETWORK = "network"  # it ended, or none was to be had, without a word
    BROKER = "broker"  # the broker said why: a disconnect packet, a close frame, a status
    MUTE = "mute"  # nothing came where much was due
    BAD_DATA = "bad_data"  # too much of what came was malformed or impossible
    COOLDOWN = "quiet"  # closed by us: the broker asked the account for quiet
    FENCED = "fenced"  # closed by us: cut off from PostgreSQL, it may be another's


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Why a socket was lost or not got, in an operator's words, and what that asks of us.

    Doubtful is what may mean a refused token as well as a bad line: the broker does not always say.
    """

    reaction: Reaction
    reason: str
    cause: DisconnectCause = DisconnectCause.NETWORK
    is_doubtful: bool = False


@dataclass(frozen=True, slots=True)
class SocketLifetime:
    """How long a socket lived, in seconds, and whether any packet came."""

    seconds: float
    is_heard: bool

    @property
    def was_good(self) -> bool:
        """Whether it was worth having; a loss after that is a first one."""
        return self.is_heard or self.seconds > LASTING_SECONDS

    @property
    def was_lasting(self) -> bool:
        """Whether it spoke for so long that a silence is a first one."""
        return self.is_heard and self.seconds > LASTING_SECONDS


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """What follows a loss: a state, and the seconds until the next attempt; None forbids it."""

    state: State
    delay_seconds: float | None


def may_follow(before: State, after: State) -> bool:
    """Say whether the graph has this edge; every state may follow itself."""
    return before is after or after in FOLLOWS[before]


class Attempts:
    """What failed in a row, and what comes next. A socket that was good begins it anew."""

    def __init__(self) -> None:
        self.failed_turns = 0
        """How often in a row our own turn failed; waiting for a token or for quiet is no such failure."""
        self.mutes = 0
        """How many sockets in a row fell silent."""
        self._attempt = 0
        self._doubts = 0

    def opened(self) -> None:
        """Note that a socket was had; whether it is any good shows later."""
        self.failed_turns = 0

    def after(self, disconnect: Disconnect, lifetime: SocketLifetime | None, *, chance: float) -> RetryPlan:
        """Return what follows; `life` is the lost socket's, None if none was got."""
        if lifetime is not None and lifetime.was_good:
            self._attempt = self._doubts = 0
        if lifetime is not None and lifetime.was_lasting:
            self.mutes = 0
        self._attempt += 1
        self._doubts = self._doubts + 1 if _is_doubtful(disconnect, lifetime) else 0
        if disconnect.cause is DisconnectCause.MUTE:
            return self._after_mute(chance)
        if lifetime is None:
            self._count_turn(disconnect.reaction)
        return self._after(disconnect.reaction, chance)

    def _after_mute(self, chance: float) -> RetryPlan:
        """The first silence may be the line's; one that repeats is a turn that failed, and gives the broker time."""
        self.mutes += 1
        if self.mutes > 1:
            self.failed_turns += 1
        return RetryPlan(State.MUTE, mute_seconds(attempt=self.mutes, chance=chance))

    def _count_turn(self, reaction: Reaction) -> None:
        is_failure = reaction in {Reaction.COME_BACK, Reaction.STOP}
        self.failed_turns = self.failed_turns + 1 if is_failure else 0

    def _after(self, reaction: Reaction, chance: float) -> RetryPlan:
        match reaction:
            case Reaction.COME_BACK:
                state = State.WAITING if self._doubts >= DOUBTS else State.RECONNECTING
                return RetryPlan(state, backoff_seconds(attempt=self._attempt, chance=chance))
            case Reaction.WAIT | Reaction.STOP_ALL:
                return RetryPlan(State.RECONNECTING, 0.0)  # The gate knows how long.
            case Reaction.DOUBT:
                return RetryPlan(State.WAITING, doubt_seconds(attempt=self._attempt, chance=chance))
            case Reaction.LOG_IN_AGAIN:
                return RetryPlan(State.WAITING, None)
            case Reaction.STOP | Reaction.FIX_PLAN:
                return RetryPlan(State.STOPPED, None)


def _is_doubtful(disconnect: Disconnect, lifetime: SocketLifetime | None) -> bool:
    if lifetime is None or disconnect.is_doubtful:
        return disconnect.is_doubtful
    return disconnect.cause is DisconnectCause.NETWORK and lifetime.seconds < BRIEF_SECONDS and not lifetime.is_heard
