"""The reader of copied bytes yields the messages of a WebSocket connection, however the bytes are cut."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.chaos.websocket import MessageReader

ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
REQUEST = b"GET /?version=2 HTTP/1.1\r\nHost: x\r\n\r\n"
REFUSED = b"HTTP/1.1 400 Bad Request\r\n\r\n"
PING = b"\x89\x00"


def frame(payload: bytes, *, opcode: int = 2, is_last: bool = True, mask: bytes = b"") -> bytes:
    """Return one frame (RFC 6455, 5.2)."""
    size = len(payload)
    flag = 0x80 if mask else 0
    if size < 126:
        head = bytes((size | flag,))
    elif size < 2**16:
        head = bytes((126 | flag,)) + struct.pack(">H", size)
    else:
        head = bytes((127 | flag,)) + struct.pack(">Q", size)
    body = bytes(one ^ mask[place % 4] for place, one in enumerate(payload)) if mask else payload
    return bytes((opcode | (0x80 if is_last else 0),)) + head + mask + body


@given(
    messages=st.lists(st.binary(min_size=1, max_size=300), max_size=5),
    cuts=st.lists(st.integers(min_value=1, max_value=40), min_size=1, max_size=400),
    mask=st.sampled_from([b"", b"\x01\x02\x03\x04"]),
)
def test_messages_are_the_same_however_the_bytes_are_cut(messages: list[bytes], cuts: list[int], mask: bytes) -> None:
    head = REQUEST if mask else ACCEPTED
    sent = head + b"".join(frame(one, mask=mask) + PING for one in messages)
    reader, found, start = MessageReader(), [], 0
    for cut in cuts:
        found += list(reader.feed(sent[start : start + cut]))
        start += cut
    found += list(reader.feed(sent[start:]))

    assert found == messages


def test_long_and_divided_messages_are_joined() -> None:
    reader = MessageReader()

    found = list(
        reader.feed(ACCEPTED + frame(b"x" * 70_000) + frame(b"one ", is_last=False) + PING + frame(b"two", opcode=0))
    )

    assert [len(found[0]), found[1]] == [70_000, b"one two"]


def test_a_refused_handshake_opens_nothing() -> None:
    reader = MessageReader()

    assert list(reader.feed(REFUSED + frame(b"x"))) == []
    assert not reader.is_open
