"""The way to a client that is slow or long: bytes wait here until they are due, or until the drip lets them through.

Pure: time comes from outside. A chunk may leave in pieces, so that whatever has to follow it whole waits behind it.
"""

from collections import deque


class Link:
    """Chunks on their way, oldest first."""

    def __init__(self) -> None:
        self._chunks: deque[tuple[float, bytes]] = deque()
        self._allowance = 0.0
        self._taken_at: float | None = None
        self.is_mid_chunk = False
        """Whether the first chunk has left in part."""

    def __bool__(self) -> bool:
        return bool(self._chunks)

    def put(self, chunk: bytes, *, due_at: float) -> None:
        """Send `chunk` on its way; nothing overtakes."""
        last = self._chunks[-1][0] if self._chunks else due_at
        self._chunks.append((max(due_at, last), chunk))

    def take(self, now: float, *, bytes_per_second: float | None = None) -> bytes:
        """Return what arrives at `now`: everything that is due, or as much as the drip let through since last time."""
        found: list[bytes] = []
        elapsed = 0.0 if self._taken_at is None else now - self._taken_at
        self._taken_at = now
        if bytes_per_second is None:
            while self._chunks and self._chunks[0][0] <= now:
                found.append(self._chunks.popleft()[1])
                self.is_mid_chunk = False
            return b"".join(found)
        # An idle line saves up no more than a second's worth.
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
        """Return the rest of a chunk that has left in part, and forget all others."""
        rest = self._chunks[0][1] if self.is_mid_chunk else b""
        self._chunks.clear()
        self.is_mid_chunk = False
        return rest
