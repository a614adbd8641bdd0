"""Reads the messages that pass on one direction of a WebSocket connection, from copies of its bytes. Pure.

Frames are those of RFC 6455. Neither side of the feed compresses.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_END_OF_HEAD: Final = b"\r\n\r\n"
_ACCEPTED: Final = b"101"  # the status of a handshake that succeeded
_REQUEST: Final = b"GET"
_FIN, _OPCODE, _MASKED, _LENGTH = 0x80, 0x0F, 0x80, 0x7F
_DATA_OPCODES: Final = frozenset((0, 1, 2))  # continuation, text, binary
_LENGTH_BYTES: Final = {126: 2, 127: 8}  # the lengths that announce a longer field


@dataclass(frozen=True, slots=True)
class _Frame:
    opcode: int
    is_last: bool
    payload: bytes
    size: int
    """Bytes of the whole frame."""


class MessageReader:
    """The bytes of one direction, the head of the handshake first."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._message = b""
        self._has_head = False
        self.is_open = False
        """Whether the handshake was a request, or an answer that accepts one."""

    def feed(self, received: bytes) -> Iterator[bytes]:
        """Yield the data messages that end in `received`."""
        self._buffer += received
        if not self._has_head:
            self._read_head()
        while self.is_open and (frame := _read_frame(self._buffer)) is not None:
            del self._buffer[: frame.size]
            if frame.opcode not in _DATA_OPCODES:
                continue
            self._message += frame.payload
            if frame.is_last:
                message, self._message = self._message, b""
                yield message

    def _read_head(self) -> None:
        end = self._buffer.find(_END_OF_HEAD)
        if end < 0:
            return
        first_line = bytes(self._buffer[:end]).split(b"\r\n", 1)[0].split(b" ")
        self.is_open = first_line[0] == _REQUEST or first_line[1:2] == [_ACCEPTED]
        self._has_head = True
        del self._buffer[: end + len(_END_OF_HEAD)]


def _read_frame(buffer: bytearray) -> _Frame | None:
    """Return the first frame of `buffer`, None if it is incomplete."""
    if len(buffer) < 2:
        return None
    length, start = buffer[1] & _LENGTH, 2
    if (width := _LENGTH_BYTES.get(length)) is not None:
        length, start = int.from_bytes(buffer[start : start + width], "big"), start + width
    mask = b""
    if buffer[1] & _MASKED:
        mask, start = bytes(buffer[start : start + 4]), start + 4
    # A header that is cut off gives a wrong length; the header itself is then longer than the buffer.
    if len(buffer) < start + length:
        return None
    payload = bytes(buffer[start : start + length])
    return _Frame(buffer[0] & _OPCODE, bool(buffer[0] & _FIN), _unmasked(payload, mask), start + length)


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    if not mask or not payload:
        return payload
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(payload), "big")
