"""One socket of the live feed: its subscriptions, keepalive and active faults.

Limits of the account are in `accounts`, packets in `senders`; here are bytes, pings and time. Without active faults,
frames are written directly to the transport.
"""

import logging
import struct
import time
from collections.abc import Iterator, Mapping
from socket import SO_LINGER, SOL_SOCKET
from typing import Protocol

import numpy as np
import numpy.typing as npt
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from marketdata.dhan import packets
from marketdata.dhan.packets import LENGTH_OF, PacketCode
from marketdata.domain.quotes import Mode
from simulator.accounts import Change, Connection
from simulator.faults import NO_FAULTS, Faults
from simulator.handshake import Refusal
from simulator.links import Link
from simulator.market import Market
from simulator.packet_arrays import Rows, frame_prefix, split, stack
from simulator.packet_faults import PACKET_FAULTS, PacketFaults

logger = logging.getLogger(__name__)

PING_FRAME = bytes((0x89, 0))  # FIN and opcode 9, no payload (RFC 6455, 5.2)
PONG_FRAME = 0x8A  # FIN and opcode 10 (RFC 6455, 5.2)
# Linger for 0 seconds: close sends RST in place of FIN (socket(7), SO_LINGER).
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Server(Protocol):
    """The interface of the server to its clients: events of their sockets."""

    @property
    def market(self) -> Market: ...
    @property
    def faults(self) -> Faults: ...

    def opened(self, client: "Client") -> None: ...
    def closed(self, client: "Client") -> None: ...
    def asked(self, client: "Client", text: str) -> None: ...


class Client(WSListener):
    """One socket: subscribed rows by mode, back-pressure, and the time of its last pong."""

    def __init__(
        self, server: Server, refusal: Refusal | None, *, seed: int, ping_every: float, pong_within: float
    ) -> None:
        super().__init__()
        # How its token is refused, or None.
        self.refusal = refusal
        self.connection: Connection | None = None
        self.is_reading = True
        self.active_faults: Mapping[str, float] = NO_FAULTS
        # Whether a fault that alters packets is active.
        self.has_packet_faults = False
        # Stacking alone needs no decision per packet, so it costs little at any rate.
        self._is_only_stacked = False
        self.transport: WSTransport
        self.subscribed_rows: dict[Mode, npt.NDArray[np.bool_]] = {
            mode: np.zeros(len(server.market.contracts), dtype=bool) for mode in Mode
        }
        self._server = server
        self._ping_every = ping_every
        self._pong_within = pong_within
        # A new socket has the full time for its first pong.
        self._opened_at = self._last_pong_at = time.monotonic()
        self._ping_at = self._last_pong_at + ping_every
        self._first_request_at: float | None = None
        self._faults_version = -1
        self._seed = seed
        self._packet_faults: PacketFaults | None = None
        self._link = Link()
        self._late: list[tuple[Mode, Rows, int]] = []

    @property
    def number(self) -> int:
        """The number of its connection; 0 without one."""
        return self.connection.number if self.connection else 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self._server.opened(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002  # picows names it.
        self.refresh_faults()
        if "half_open" in self.active_faults:
            return
        match frame.msg_type:
            case WSMsgType.TEXT:
                self._first_request_at = self._first_request_at or time.monotonic()
                self._server.asked(self, frame.get_payload_as_bytes().decode("utf-8", errors="replace"))
            case WSMsgType.PING:
                payload = frame.get_payload_as_bytes()
                self.write(bytes((PONG_FRAME, len(payload))) + payload)
            case WSMsgType.PONG:
                self._last_pong_at = time.monotonic()
            case WSMsgType.CLOSE:
                self._server.closed(self)
                self.close()
            case _:
                pass  # The official SDK sends a binary frame of the old protocol when it disconnects.

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002  # picows names it.
        self._server.closed(self)

    def pause_writing(self) -> None:
        self.is_reading = False

    def resume_writing(self) -> None:
        self.is_reading = True

    def refresh_faults(self) -> None:
        """Read the active faults of this socket again, if any fault has changed."""
        faults = self._server.faults
        # Called for every turn and message: comparing one number is cheaper than filtering all faults.
        if faults.version != self._faults_version:
            self._faults_version = faults.version
            self.active_faults = faults.faults_of(self.number)
            active = self.active_faults.keys() & PACKET_FAULTS
            self.has_packet_faults = bool(active)
            self._is_only_stacked = active == {"stacked"}

    def change(self, change: Change, added: Rows, removed: Rows) -> None:
        """Apply a change to `subscribed_rows`; the fault late_after_unsubscribe sends removed rows some times more."""
        self.subscribed_rows[change.mode][added] = True
        self.subscribed_rows[change.mode][removed] = False
        if len(removed) and (count := int(self.active_faults.get("late_after_unsubscribe", 0))):
            self._late.append((change.mode, removed, count))

    def late_rows(self) -> Iterator[tuple[Mode, Rows]]:
        """Yield the rows that are sent once more although they were unsubscribed."""
        # Rows with a remaining count are queued again for the next turn.
        going, self._late = self._late, []
        for mode, rows, count in going:
            yield mode, rows
            if count > 1:
                self._late.append((mode, rows, count - 1))

    def accepts_data(self) -> bool:
        """Return whether packets may be written to it: no active fault suppresses them."""
        if not self.active_faults:
            return True
        if not self.active_faults.keys().isdisjoint(("half_open", "mute", "stall_one")):
            return False
        burst = self.active_faults.get("burst_then_silence")
        return burst is None or self._first_request_at is None or time.monotonic() - self._first_request_at < burst

    def keep_alive(self, monotonic: float) -> None:
        """Send pings; close a client whose pongs are missing for too long; apply the faults that depend on time."""
        if self.active_faults and not self._needs_keepalive(monotonic):
            return
        if self._link and (arrived := self._link.take(monotonic, bytes_per_second=self.active_faults.get("slow_drip"))):
            self.transport.underlying_transport.write(arrived)
        if monotonic - self._last_pong_at > self._pong_within:
            logger.info("connection %d sent no pong for %g s; aborting", self.number, self._pong_within)
            self.transport.disconnect(graceful=False)
        elif monotonic >= self._ping_at:
            self._ping_at = monotonic + self._ping_every
            self.write(PING_FRAME)

    @property
    def is_writable(self) -> bool:
        """Whether it takes new packets. A slow client is skipped until it has read those sent before."""
        return self.is_reading and not (self._link and "slow_drip" in self.active_faults)

    def send_packets(self, data: bytes, codes: tuple[PacketCode, ...]) -> None:
        """Write the packets in `data`, whose codes repeat in the order of `codes`, altered by the packet faults."""
        lengths = [LENGTH_OF[code] for code in codes]
        if self._is_only_stacked:
            self.send_data(stack(data, lengths, count=int(self.active_faults["stacked"])))
            return
        self._packet_faults = self._packet_faults or PacketFaults(self._seed + self.number)
        messages = self._packet_faults.messages(split(data, lengths), self.active_faults)
        self.send_data(b"".join(frame_prefix(len(message)) + message for message in messages))

    def send_data(self, frames: bytes) -> None:
        """Write complete data frames, through the link if a fault delays or slows them."""
        delay = self.active_faults.get("delayed_feed")
        if delay is None and not self._link and "slow_drip" not in self.active_faults:
            self.transport.underlying_transport.write(frames)
        elif frames:
            self._link.put(frames, due_at=time.monotonic() + (delay or 0.0))

    def write(self, frames: bytes) -> None:
        """Write complete control frames: at once, or after a frame that was sent in part."""
        # Bytes between the parts of a frame would corrupt the stream.
        if self._link.is_mid_chunk:
            self._link.put(frames, due_at=0.0)
        else:
            self.transport.underlying_transport.write(frames)

    def refuse(self, reason: int) -> None:
        """Send a disconnect packet with `reason`, then close."""
        packet = packets.encode(packets.DisconnectPacket(reason))
        self.transport.underlying_transport.write(self._link.finish() + frame_prefix(len(packet)) + packet)
        self.close()

    def close(self) -> None:
        """Close with a close frame."""
        self.transport.underlying_transport.write(self._link.finish())
        if not self.transport.is_close_frame_sent:
            self.transport.send_close(WSCloseCode.OK)
        self.transport.disconnect()

    def drop(self) -> None:
        """Close the TCP connection without a close frame."""
        self.transport.disconnect(graceful=False)

    def reset(self) -> None:
        """Reset the TCP connection."""
        self.transport.underlying_transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, RESET_ON_CLOSE)
        self.transport.disconnect(graceful=False)

    def _needs_keepalive(self, monotonic: float) -> bool:
        """Return whether keepalive applies; a fault may suspend it or close the socket here."""
        if "half_open" in self.active_faults:
            self._last_pong_at = monotonic  # When the fault ends, the client has the full time for its pong.
            return False
        age = monotonic - self._opened_at
        if age >= self.active_faults.get("tcp_reset", np.inf):
            self.reset()
        elif age >= self.active_faults.get("close_without_frame", np.inf):
            self.drop()
        else:
            return True
        return False
