"""The WebSocket handshake: accepts or rejects a client.

The query contains the credentials; a missing parameter is answered with 400. A refused token is answered in one of four
shapes, all observed at the broker: 400 at the handshake, a close right after it, a disconnect packet, a reset.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from urllib.parse import parse_qs, urlsplit

from simulator.accounts import Account, Credentials, Reason
from simulator.faults import Faults

REQUIRED_PARAMETERS = ("version", "token", "clientId", "authType")


class RefusalShape(IntEnum):
    """How a refused token is answered."""

    BAD_REQUEST = 1
    DROP = 2
    PACKET = 3
    RESET = 4


@dataclass(frozen=True, slots=True)
class Rejection:
    """An HTTP error in place of a WebSocket."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """The refusal of a token, after the handshake."""

    shape: RefusalShape
    reason: int


class Handshake:
    """Answers handshakes to one account."""

    def __init__(self, account: Account, faults: Faults) -> None:
        self._account = account
        self._faults = faults
        self._rejections_left = 0

    def count_disconnect(self) -> None:
        """Count a closed socket: with first_reconnect_refused, one later handshake is rejected for it."""
        self._rejections_left += self._faults.dial("first_reconnect_refused") is not None

    def answer(self, path: str, *, now: datetime) -> Rejection | Refusal | None:
        """Return the answer to a handshake for `path`, query included; None accepts the client."""
        if (rejection := self._injected_rejection()) is not None:
            return rejection
        shown = parse_qs(urlsplit(path).query)
        missing = [name for name in REQUIRED_PARAMETERS if name not in shown]
        if missing:
            return Rejection(400, f"missing query parameter {', '.join(missing)}".encode())
        reason = self._account.refusal_of(Credentials(shown["clientId"][0], shown["token"][0]), now=now)
        refusal = None if reason is None else self.refusal_for(reason)
        if refusal is not None and refusal.shape is RefusalShape.BAD_REQUEST:
            return Rejection(400, b"bad request")
        return refusal

    def refusal_for(self, reason: Reason) -> Refusal:
        """Return the refusal for `reason`, in the shape of the fault auth_shape."""
        dial = int(self._faults.dial("auth_shape") or RefusalShape.PACKET)
        # A dial above the shapes is a reason code, sent in a disconnect packet.
        if dial <= RefusalShape.RESET:
            return Refusal(RefusalShape(dial), reason)
        return Refusal(RefusalShape.PACKET, dial)

    def _injected_rejection(self) -> Rejection | None:
        if self._faults.consume("handshake_429"):
            return Rejection(429, b"too many requests")
        if self._faults.consume("handshake_400"):
            return Rejection(400, b"bad request")
        # Switched off: disconnects that were counted before must not reject later handshakes.
        if self._faults.dial("first_reconnect_refused") is None:
            self._rejections_left = 0
        elif self._rejections_left > 0:
            self._rejections_left -= 1
            return Rejection(400, b"bad request")
        return None
