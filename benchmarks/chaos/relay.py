"""The passive reader of the broker's sockets: a relay between feed worker and simulator that forwards every byte.

It changes nothing: bytes go on before anything reads their copy, a side that does not read stops the other one, an end
is passed on as an end and a reset as a reset.
"""

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET
from typing import Final

from benchmarks.chaos.websocket import MessageReader
from benchmarks.chaos.wire import Link, WireRecord

CHUNK_BYTES: Final = 1 << 16  # chosen: a turn of the simulator at the highest rate
# Linger for 0 seconds: close sends RST in place of FIN (socket(7), SO_LINGER).
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class _Exchange:
    """One connection of the feed worker and its copy to the simulator."""

    wire: WireRecord
    link: Link | None = None
    requests: MessageReader = field(default_factory=MessageReader)
    answers: MessageReader = field(default_factory=MessageReader)

    def note_request(self, received: bytes) -> None:
        now = time.time()
        for message in self.requests.feed(received):
            if self.link is not None:
                self.wire.request(self.link, message, now)

    def note_answer(self, received: bytes) -> None:
        now = time.time()
        for message in self.answers.feed(received):
            self._open(now)
            if self.link is not None:
                self.wire.receive(self.link, message, now)
        self._open(now)

    def _open(self, now: float) -> None:
        if self.link is None and self.answers.is_open:
            self.link = self.wire.open_link(now)

    def end(self) -> None:
        if self.link is not None and self.link.closed_at is None:
            self.wire.close_link(self.link, time.time())


@asynccontextmanager
async def running_relay(wire: WireRecord, *, port: int, target_port: int) -> AsyncIterator[None]:
    """Forward connections of `port` to `target_port` of this machine, and record them, while the block runs."""

    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            serving.add(task)
            task.add_done_callback(serving.discard)
        try:
            onward = await asyncio.open_connection("127.0.0.1", target_port)
        except OSError:
            await _end(writer, is_reset=True)
            return
        exchange, is_reset = _Exchange(wire), False
        ways = {
            asyncio.create_task(_forward(reader, onward[1], exchange.note_request)),
            asyncio.create_task(_forward(onward[0], writer, exchange.note_answer)),
        }
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            is_reset = any(task.result() for task in done)
        finally:
            exchange.end()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for side in (writer, onward[1]):
                await _end(side, is_reset=is_reset)

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    async with server:
        yield
    # The server forgets its connections.
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Callable[[bytes], None]) -> bool:
    """Forward until the end of the stream; return whether it was a reset."""
    with suppress(ConnectionError):
        while received := await reader.read(CHUNK_BYTES):
            writer.write(received)
            note(received)
            await writer.drain()
        return False
    return True


async def _end(writer: asyncio.StreamWriter, *, is_reset: bool) -> None:
    """Close one side, and wait until its socket is closed."""
    # The side that was reset is closed already.
    if is_reset and not writer.transport.is_closing():
        writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, RESET_ON_CLOSE)
        writer.transport.abort()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
