"""The handshake: who is let in, and how the others are told.

The query carries the credentials; one that misses a parameter is answered with 400. A wrong token is told in one of
four shapes, all seen at the broker: 400 at the handshake, a drop right after it, a disconnect packet, a reset.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from urllib.parse import parse_qs, urlsplit

from simulator.accounts import Account, Credentials, Reason
from simulator.faults import Faults

REQUIRED_PARAMETERS = ("version", "token", "clientId", "authType")


class Shape(IntEnum):
    """How a refused token is told."""

    BAD_REQUEST = 1
    DROP = 2
    PACKET = 3
    RESET = 4


@dataclass(frozen=True, slots=True)
class NoEntry:
    """An HTTP answer in place of a WebSocket."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a token that is of no use is told so."""

    shape: Shape
    reason: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A WebSocket that is let in, if only to be refused."""

    refusal: Refusal | None


class Door:
    """Answers handshakes to one account."""

    def __init__(self, account: Account, faults: Faults) -> None:
        self._account = account
        self._faults = faults
        self._lost = 0

    def lose(self) -> None:
        """Note that a socket is gone: whoever comes next may be turned away for it."""
        self._lost += self._faults.dial("first_reconnect_refused") is not None

    def answer(self, path: str, *, now: datetime) -> NoEntry | Entry:
        """Return what becomes of a handshake for `path`, query included."""
        if (trouble := self._trouble()) is not None:
            return trouble
        shown = parse_qs(urlsplit(path).query)
        missing = [name for name in REQUIRED_PARAMETERS if name not in shown]
        if missing:
            return NoEntry(400, f"missing query parameter {', '.join(missing)}".encode())
        reason = self._account.refusal_of(Credentials(shown["clientId"][0], shown["token"][0]), now=now)
        refusal = None if reason is None else self.refusal_for(reason)
        if refusal is not None and refusal.shape is Shape.BAD_REQUEST:
            return NoEntry(400, b"bad request")
        return Entry(refusal)

    def refusal_for(self, reason: Reason) -> Refusal:
        """Return how a token that is of no use for `reason` is told so."""
        dial = int(self._faults.dial("auth_shape") or Shape.PACKET)
        if dial <= Shape.RESET:
            return Refusal(Shape(dial), reason)
        return Refusal(Shape.PACKET, dial)

    def _trouble(self) -> NoEntry | None:
        if self._faults.take_one("handshake_429"):
            return NoEntry(429, b"too many requests")
        if self._faults.take_one("handshake_400"):
            return NoEntry(400, b"bad request")
        if self._faults.dial("first_reconnect_refused") is None:
            self._lost = 0
        elif self._lost > 0:
            self._lost -= 1
            return NoEntry(400, b"bad request")
        return None
