"""The broker's limits for one account: credentials, number of connections, subscriptions. Pure.

Limits follow the documentation of the live feed (annexure, read November 2026): five connections, and a sixth
disconnects the oldest; 5,000 instruments on a connection, counted as unique (segment, id, mode); 100 in one message.
The broker's reaction to an excess of the last two is undocumented: here the excess is ignored and the client is
disconnected with reason 804. Sockets are in `feed_server`.
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
    """Reason codes of the broker's disconnect packet (annexure of the documentation)."""

    TOO_MANY_INSTRUMENTS = 804
    TOO_MANY_CONNECTIONS = 805
    TOKEN_EXPIRED = 807
    AUTHENTICATION_FAILED = 808
    TOKEN_INVALID = 809


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials that a client sends."""

    client_id: str
    access_token: str


@dataclass(slots=True, eq=False)
class Connection:
    """One open connection and its subscriptions."""

    number: int
    client_id: str
    opened_at: datetime
    subscribed: dict[Mode, set[InstrumentKey]] = field(default_factory=lambda: {mode: set() for mode in Mode})
    packets_sent: int = 0

    @property
    def instruments(self) -> int:
        """The number of unique (segment, id, mode)."""
        return sum(len(keys) for keys in self.subscribed.values())

    def distinct_keys(self) -> Iterator[InstrumentKey]:
        """Yield every instrument that is subscribed in any mode, each once."""
        yield from set().union(*self.subscribed.values())


@dataclass(frozen=True, slots=True)
class Change:
    """The effect of one message; `added` in the order of the message."""

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
        # The most sockets that were open at one time; reserved slots do not count.
        self.high_water = 0
        self.opened = 0
        self._reserved_until: list[datetime] = []

    def refusal_of(self, shown: Credentials, *, now: datetime) -> Reason | None:
        """Return the reason for refusing `shown`, None if it may connect."""
        if shown.client_id != self.client_id:
            return Reason.AUTHENTICATION_FAILED
        return _REASON_OF.get(self.tokens.status(shown.access_token, now=now))

    def open(self, *, now: datetime) -> tuple[Connection, Connection | None]:
        """Return a new connection, and the oldest one if it must be closed because the limit is exceeded."""
        self.opened += 1
        connection = Connection(self.opened, self.client_id, now)
        self.connections.append(connection)
        self.high_water = max(self.high_water, len(self.connections))
        self._reserved_until = [until for until in self._reserved_until if until > now]
        # The broker counts a reserved slot like an open socket.
        is_one_too_many = len(self.connections) + len(self._reserved_until) > requests.MAX_CONNECTIONS
        return connection, self.connections.pop(0) if is_one_too_many else None

    def close(self, connection: Connection, *, now: datetime | None = None, reserved_seconds: float = 0.0) -> None:
        """Remove `connection`; its slot stays reserved for `reserved_seconds`. No effect if it was removed before."""
        if connection in self.connections:
            self.connections.remove(connection)
            if now is not None and reserved_seconds > 0:
                self._reserved_until.append(now + timedelta(seconds=reserved_seconds))

    def release_slots(self) -> None:
        """Release all reserved slots."""
        self._reserved_until.clear()


def apply(connection: Connection, request: Request) -> Change | None:
    """Apply `request` to `connection` and return the change; None for a disconnect request.

    Modes are additive: an unsubscribe affects its mode only.
    """
    if request.code is RequestCode.DISCONNECT:
        return None
    # dict.fromkeys below removes duplicates and keeps the order of the message.
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
    free = requests.MAX_INSTRUMENTS_PER_CONNECTION - connection.instruments
    return tuple(asked[: max(free, 0)])
