"""One socket of the live feed: what its client wants, what it is told, and what is wrong with it.

The account's rules are `accounts`'s and the packets `feed_server`'s; here are bytes, pings and time. A socket with
nothing wrong writes straight to its transport.
"""

import logging
import struct
import time
from collections.abc import Iterable, Mapping
from socket import SO_LINGER, SOL_SOCKET
from typing import Protocol

import numpy as np
import numpy.typing as npt
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from marketdata.dhan import packets
from marketdata.domain.quotes import Mode
from simulator.accounts import Change, Session
from simulator.door import Refusal
from simulator.faults import NO_TROUBLE, Faults
from simulator.market import Market
from simulator.packet_arrays import frame_prefix

logger = logging.getLogger(__name__)

PING_FRAME = bytes((0x89, 0))
PONG_FRAME = 0x8A
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""socket(7), SO_LINGER: close at once, with a reset in place of a good-bye."""


class Server(Protocol):
    """What a client tells its server."""

    @property
    def market(self) -> Market: ...
    @property
    def faults(self) -> Faults: ...

    def opened(self, client: "Client") -> None: ...
    def closed(self, client: "Client") -> None: ...
    def asked(self, client: "Client", text: str) -> None: ...


class Client(WSListener):
    """One socket: what it wants by row, whether it reads, when it was last heard of."""

    def __init__(self, server: Server, refusal: Refusal | None, *, ping_every: float, pong_within: float) -> None:
        super().__init__()
        self.refusal = refusal
        """Why its token is of no use, or None."""
        self.session: Session | None = None
        self.is_reading = True
        self.trouble: Mapping[str, float] = NO_TROUBLE
        self.transport: WSTransport
        self.wants: dict[Mode, npt.NDArray[np.bool_]] = {
            mode: np.zeros(len(server.market.contracts), dtype=bool) for mode in Mode
        }
        self._server = server
        self._ping_every = ping_every
        self._pong_within = pong_within
        self._opened_at = self._heard_at = time.monotonic()
        self._ping_at = self._heard_at + ping_every
        self._asked_at: float | None = None
        self._faults_version = -1

    @property
    def number(self) -> int:
        """Of its session; 0 without one."""
        return self.session.number if self.session else 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self._server.opened(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002  # picows names it.
        self.look_at_faults()
        if "half_open" in self.trouble:
            return
        match frame.msg_type:
            case WSMsgType.TEXT:
                self._asked_at = self._asked_at or time.monotonic()
                self._server.asked(self, frame.get_payload_as_bytes().decode("utf-8", errors="replace"))
            case WSMsgType.PING:
                payload = frame.get_payload_as_bytes()
                self.write(bytes((PONG_FRAME, len(payload))) + payload)
            case WSMsgType.PONG:
                self._heard_at = time.monotonic()
            case WSMsgType.CLOSE:
                self._server.closed(self)
                self.close()
            case _:
                pass  # The official SDK says good-bye with a binary frame of the old protocol.

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002  # picows names it.
        self._server.closed(self)

    def pause_writing(self) -> None:
        self.is_reading = False

    def resume_writing(self) -> None:
        self.is_reading = True

    def look_at_faults(self) -> None:
        """Read again what is wrong with this socket, if anything about faults has changed."""
        faults = self._server.faults
        if faults.version != self._faults_version:
            self._faults_version = faults.version
            self.trouble = faults.trouble_of(self.number)

    def change(self, change: Change, market: Market) -> None:
        """Note in `wants` what a message changed; what is not listed is nowhere noted."""
        wants = self.wants[change.mode]
        for keys, value in ((change.added, True), (change.removed, False)):
            for key in keys:
                if (row := market.row_of.get(key)) is not None:
                    wants[row] = value

    def takes_data(self) -> bool:
        """Whether packets are written to it."""
        if not self.trouble:
            return True
        if not self.trouble.keys().isdisjoint(("half_open", "mute", "stall_one")):
            return False
        burst = self.trouble.get("burst_then_silence")
        return burst is None or self._asked_at is None or time.monotonic() - self._asked_at < burst

    def keep_alive(self, monotonic: float) -> None:
        """Ping when it is time; hang up on one that has answered nothing for too long. Or whatever is wrong with it."""
        if self.trouble and not self._is_spared(monotonic):
            return
        if monotonic - self._heard_at > self._pong_within:
            logger.info("connection %d answers no ping", self.number)
            self.transport.disconnect(graceful=False)
        elif monotonic >= self._ping_at:
            self._ping_at = monotonic + self._ping_every
            self.write(PING_FRAME)

    def write(self, frames: bytes) -> None:
        """Write whole frames."""
        self.transport.underlying_transport.write(frames)

    def send_messages(self, messages: Iterable[bytes]) -> None:
        """Write each of `messages` as a binary message."""
        for message in messages:
            self.write(frame_prefix(len(message)) + message)

    def refuse(self, reason: int) -> None:
        """Say why, then close."""
        self.send_messages([packets.encode(packets.Disconnect(reason))])
        self.close()

    def close(self) -> None:
        """Close in good order."""
        if not self.transport.is_close_frame_sent:
            self.transport.send_close(WSCloseCode.OK)
        self.transport.disconnect()

    def drop(self) -> None:
        """End the socket without a close frame."""
        self.transport.disconnect(graceful=False)

    def reset(self) -> None:
        """Reset the socket."""
        self.transport.underlying_transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, RESET_ON_CLOSE)
        self.transport.disconnect(graceful=False)

    def _is_spared(self, monotonic: float) -> bool:
        """Whether it is kept alive as others are; a fault may end it here."""
        if "half_open" in self.trouble:
            self._heard_at = monotonic  # Healed, it has its full time to answer.
            return False
        age = monotonic - self._opened_at
        if age >= self.trouble.get("tcp_reset", np.inf):
            self.reset()
        elif age >= self.trouble.get("close_without_frame", np.inf):
            self.drop()
        else:
            return True
        return False
