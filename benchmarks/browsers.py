"""Browser sockets of the fan-out, all in the process of the benchmark: of the product, and of its alternative."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from marketdata.streaming.frames import HEADER, WIRE_ROW

AT_A_TIME = 20  # chosen: open handshakes; each takes a database connection of the web process
OPEN_SECONDS = 60.0  # chosen: for the handshake of one of a thousand browsers on a busy machine
SAMPLED = 20  # chosen: the client of the alternative reads one message in so many, so that it costs little itself


@dataclass
class Received:
    """What the browsers received since the last `clear`; `milliseconds` from the receipt of a packet, of a sample."""

    frames: int = 0
    rows: int = 0
    milliseconds: list[float] = field(default_factory=list)
    lost: int = 0
    """Sockets that have ended since they were opened; `clear` leaves them."""

    def clear(self) -> None:
        self.frames = self.rows = 0
        self.milliseconds.clear()

    def percentile(self, share: float) -> float:
        """Return the time that `share` percent of the sample did not exceed; infinite without a sample."""
        return float(np.percentile(self.milliseconds, share)) if self.milliseconds else float("inf")


class BrowserSocket(WSListener):
    """A browser of the product: watches a set, acknowledges each frame, late if it is slow."""

    def __init__(self, watched: Sequence[int], hz: int, received: Received) -> None:
        super().__init__()
        self.acknowledge_after_seconds = 0.0
        self._watched, self._hz, self._received = watched, hz, received
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        transport.send(WSMsgType.TEXT, json.dumps({"type": "rate", "hz": self._hz}).encode())
        watch = {"type": "watch", "id": "all", "instruments": list(self._watched)}
        transport.send(WSMsgType.TEXT, json.dumps(watch).encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.BINARY:
            return
        payload = frame.get_payload_as_bytes()
        _, _, count, sequence, server_ms, *_ = HEADER.unpack_from(payload)
        acknowledgement = b'{"type":"ack","seq":%d}' % sequence
        if self.acknowledge_after_seconds:
            asyncio.get_running_loop().call_later(self.acknowledge_after_seconds, self._send, acknowledgement)
        else:
            transport.send(WSMsgType.TEXT, acknowledgement)
        self._received.frames += 1
        self._received.rows += count
        if count:
            # One row of each frame is a sample of a few thousand.
            age_ms = np.frombuffer(payload, dtype=WIRE_ROW, offset=HEADER.size, count=1)["age_ms"][0]
            self._received.milliseconds.append(time.time() * 1_000 - server_ms + float(age_ms))

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002  picows names it.
        self._transport = None
        self._received.lost += 1

    def stall(self) -> None:
        """Stop reading the socket, like a suspended machine."""
        if self._transport is not None:
            self._transport.underlying_transport.pause_reading()

    def resume(self) -> None:
        """Read the socket again."""
        if self._transport is not None:
            self._transport.underlying_transport.resume_reading()

    def _send(self, message: bytes) -> None:
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, message)


class TickSocket(WSListener):
    """A browser of `group_send`: watches a set, and gets a message for each tick."""

    def __init__(self, watched: Sequence[int], received: Received) -> None:
        super().__init__()
        self._watched, self._received = watched, received

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, json.dumps({"instruments": list(self._watched)}).encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002  picows names it.
        if frame.msg_type != WSMsgType.TEXT:
            return
        self._received.frames += 1
        self._received.rows += 1
        if self._received.frames % SAMPLED == 0:
            received_at_ms = json.loads(frame.get_payload_as_bytes())["received_at_ms"]
            self._received.milliseconds.append(time.time() * 1_000 - received_at_ms)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002  picows names it.
        self._received.lost += 1


@asynccontextmanager
async def opened(web: str, cookie: str, sockets: Sequence[WSListener]) -> AsyncIterator[None]:
    """Open `sockets` to `web` (host:port) with one login session; closes them on exit."""
    headers = {"Cookie": f"sessionid={cookie}", "Origin": f"http://{web}"}
    turns = asyncio.Semaphore(AT_A_TIME)
    async with AsyncExitStack() as stack:

        async def open_one(socket: WSListener) -> None:
            async with turns:
                transport, _ = await ws_connect(
                    lambda: socket,
                    f"ws://{web}/ws/market/",
                    extra_headers=headers,
                    websocket_handshake_timeout=OPEN_SECONDS,
                )
            stack.callback(transport.disconnect)

        async with asyncio.TaskGroup() as tasks:
            for socket in sockets:
                tasks.create_task(open_one(socket))
        yield
