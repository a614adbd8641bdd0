"""The broker's rules for one account: who may connect, how many at once, how much each may ask for.

Limits are those of the live feed's documentation (annexure, read November 2026): five connections, the sixth costs
the oldest its place; 5,000 instruments on one connection, counted as unique (segment, id, mode); 100 in one message.
What the broker does beyond the last two is undocumented: here the excess is ignored and the answer is reason 804.
Sockets are `feed_server`'s; this module decides.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum

from marketdata.dhan import requests
from marketdata.dhan.requests import Request, RequestCode
from marketdata.domain.instruments import InstrumentKey
from marketdata.domain.quotes import Mode
from simulator.tokens import DEFAULT_HOURS, Tokens, TokenStatus


class Reason(IntEnum):
    """Why the broker disconnects."""

    TOO_MANY_INSTRUMENTS = 804
    TOO_MANY_CONNECTIONS = 805
    TOKEN_EXPIRED = 807
    AUTHENTICATION_FAILED = 808
    TOKEN_INVALID = 809


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client shows."""

    client_id: str
    access_token: str


@dataclass(slots=True, eq=False)
class Connection:
    """One open connection and what it asked for."""

    number: int
    client_id: str
    opened_at: datetime
    subscribed: dict[Mode, set[InstrumentKey]] = field(default_factory=lambda: {mode: set() for mode in Mode})
    packets_sent: int = 0

    @property
    def instruments(self) -> int:
        """Unique (segment, id, mode)."""
        return sum(len(keys) for keys in self.subscribed.values())

    def distinct_keys(self) -> Iterator[InstrumentKey]:
        """Yield every instrument wanted in any mode, each once."""
        yield from set().union(*self.subscribed.values())


@dataclass(frozen=True, slots=True)
class Change:
    """What one message changed; `added` in the order asked for."""

    mode: Mode
    added: tuple[InstrumentKey, ...] = ()
    removed: tuple[InstrumentKey, ...] = ()
    is_over_limit: bool = False


_SUBSCRIBED = {code: mode for mode, code in requests.SUBSCRIBE_CODE.items()}
_UNSUBSCRIBED = {code: mode for mode, code in requests.UNSUBSCRIBE_CODE.items()}


_REASON_OF = {
    TokenStatus.EXPIRED: Reason.TOKEN_EXPIRED,
    TokenStatus.REVOKED: Reason.TOKEN_INVALID,
    TokenStatus.UNKNOWN: Reason.AUTHENTICATION_FAILED,
}


class Account:
    """The connections of one client id, oldest first, and its tokens."""

    def __init__(self, credentials: Credentials, *, token_hours: float = DEFAULT_HOURS) -> None:
        self.client_id = credentials.client_id
        self.tokens = Tokens(credentials.client_id, credentials.access_token, hours=token_hours)
        self.connections: list[Connection] = []
        self.high_water = 0
        """Most sockets that were open at one time; a slot that is held is none."""
        self.opened = 0
        self._reserved_until: list[datetime] = []

    def refusal_of(self, shown: Credentials, *, now: datetime) -> Reason | None:
        """Return why `shown` does not open a connection, None if it does."""
        if shown.client_id != self.client_id:
            return Reason.AUTHENTICATION_FAILED
        return _REASON_OF.get(self.tokens.status(shown.access_token, now=now))

    def open(self, *, now: datetime) -> tuple[Connection, Connection | None]:
        """Return a new connection, and the oldest one if it has to go for it."""
        self.opened += 1
        connection = Connection(self.opened, self.client_id, now)
        self.connections.append(connection)
        self.high_water = max(self.high_water, len(self.connections))
        self._reserved_until = [until for until in self._reserved_until if until > now]
        is_one_too_many = len(self.connections) + len(self._reserved_until) > requests.MAX_CONNECTIONS
        return connection, self.connections.pop(0) if is_one_too_many else None

    def close(self, connection: Connection, *, now: datetime | None = None, reserved_seconds: float = 0.0) -> None:
        """Forget `connection`, whose slot may count on for a while; one that was dropped is forgotten already."""
        if connection in self.connections:
            self.connections.remove(connection)
            if now is not None and reserved_seconds > 0:
                self._reserved_until.append(now + timedelta(seconds=reserved_seconds))

    def release_slots(self) -> None:
        """Count held slots no more."""
        self._reserved_until.clear()


def apply(connection: Connection, request: Request) -> Change | None:
    """Do what `request` asks of `connection`; None if it asks to disconnect.

    Modes are additive: an unsubscribe touches its own mode only.
    """
    if request.code is RequestCode.DISCONNECT:
        return None
    named = request.instruments[: requests.MAX_INSTRUMENTS_PER_MESSAGE]
    if (mode := _UNSUBSCRIBED.get(request.code)) is not None:
        removed = tuple(key for key in dict.fromkeys(named) if key in connection.subscribed[mode])
        connection.subscribed[mode].difference_update(removed)
        return Change(mode, removed=removed)
    mode = _SUBSCRIBED[request.code]
    asked = tuple(key for key in dict.fromkeys(named) if key not in connection.subscribed[mode])
    added = _within_capacity(connection, asked)
    connection.subscribed[mode].update(added)
    is_over = len(added) < len(asked) or len(named) < len(request.instruments)
    return Change(mode, added=added, is_over_limit=is_over)


def _within_capacity(connection: Connection, asked: Sequence[InstrumentKey]) -> tuple[InstrumentKey, ...]:
    room = requests.MAX_INSTRUMENTS_PER_CONNECTION - connection.instruments
    return tuple(asked[: max(room, 0)])
