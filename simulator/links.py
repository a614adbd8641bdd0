"""A link with latency and limited bandwidth: chunks wait until their delivery time, or until the bandwidth allows.

Pure: time is an argument. A chunk may be sent in pieces; a complete frame that follows it must wait for its end.
"""

from collections import deque


class Link:
    """Queued chunks, oldest first."""

    def __init__(self) -> None:
        self._chunks: deque[tuple[float, bytes]] = deque()
        self._allowance = 0.0
        self._taken_at: float | None = None
        # Whether a part of the first chunk was sent.
        self.is_mid_chunk = False

    def __bool__(self) -> bool:
        return bool(self._chunks)

    def put(self, chunk: bytes, *, due_at: float) -> None:
        """Queue `chunk` for delivery at `due_at`; chunks are never reordered."""
        # TCP delivers in order: a chunk with less delay waits for the one before.
        last = self._chunks[-1][0] if self._chunks else due_at
        self._chunks.append((max(due_at, last), chunk))

    def take(self, now: float, *, bytes_per_second: float | None = None) -> bytes:
        """Return the bytes delivered at `now`: chunks whose time has come, within the bandwidth since the last call."""
        found: list[bytes] = []
        elapsed = 0.0 if self._taken_at is None else now - self._taken_at
        self._taken_at = now
        if bytes_per_second is None:
            while self._chunks and self._chunks[0][0] <= now:
                found.append(self._chunks.popleft()[1])
                self.is_mid_chunk = False
            return b"".join(found)
        # Token bucket: an idle link saves the allowance of one second at most.
        self._allowance = min(self._allowance + elapsed * bytes_per_second, max(bytes_per_second, 1.0))
        while self._chunks and self._chunks[0][0] <= now and self._allowance >= 1:
            due_at, chunk = self._chunks.popleft()
            piece, rest = chunk[: int(self._allowance)], chunk[int(self._allowance) :]
            found.append(piece)
            self._allowance -= len(piece)
            self.is_mid_chunk = bool(rest)
            if rest:
                self._chunks.appendleft((due_at, rest))
        return b"".join(found)

    def finish(self) -> bytes:
        """Return the rest of a chunk that was sent in part; discard all others."""
        rest = self._chunks[0][1] if self.is_mid_chunk else b""
        self._chunks.clear()
        self.is_mid_chunk = False
        return rest
