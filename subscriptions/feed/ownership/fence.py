"""The fence of one connection: closes its socket when another owner may have the connection.

PostgreSQL decides who owns a connection. The fence covers the time in which this owner cannot ask it:

* PostgreSQL is unreachable for all workers: no worker can take over, so the owner keeps streaming.
* PostgreSQL is unreachable for this owner alone: a successor may have its lease. The successor writes to the board
  (Redis) under its newer epoch and waits a moment before it opens. The owner finds that epoch at its next cache write
  and closes.
* The board is unreachable too: no successor can be found, so the owner closes before others may take it for frozen.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

# Chosen: longer than a usual restart of Redis.
BOARD_GONE_SECONDS: Final = 5.0

RenewedAt = Callable[[], float]
"""Return when the last renewal of our leases began, on the clock of the fence."""


class Fence:
    """The evidence of one owner for a successor."""

    def __init__(
        self,
        renewed_at: RenewedAt = time.monotonic,
        *,
        frozen_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._renewed_at = renewed_at
        self._frozen_seconds = frozen_seconds
        self._clock = clock
        self._superseded_at: float | None = None
        self._board_seen_at = clock()
        self._announced = asyncio.Event()

    @property
    def is_board_wrong(self) -> bool:
        """Whether the board names another owner although our lease was renewed after that."""
        # Epochs only grow. A renewal under our epoch after the newer one was seen means that the newer one was of a
        # database since replaced by a backup; the board is overwritten then.
        return self._superseded_at is not None and self._renewed_at() > self._superseded_at

    def note_board(self) -> None:
        """Record that the board was reached."""
        self._board_seen_at = self._clock()

    def note_announced(self) -> None:
        """Record that the board has our epoch and no newer one."""
        self._announced.set()
        # A board without the newer epoch may have been emptied, so only a renewed lease removes the suspicion.
        if self.is_board_wrong:
            self._superseded_at = None

    def note_superseded(self) -> None:
        """Record that the board has a newer epoch; the first time counts."""
        if self._superseded_at is None:
            self._superseded_at = self._clock()

    async def wait_announced(self) -> None:
        """Wait until the board has our epoch, at most `frozen_seconds`: by then a former owner has closed unasked."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._frozen_seconds):
                await self._announced.wait()

    def why_closed(self) -> str | None:
        """Return why no socket may be open; None if one may."""
        if self._superseded_at is not None and not self.is_board_wrong:
            return "another owner has this connection"
        now = self._clock()
        is_board_gone = now - self._board_seen_at > BOARD_GONE_SECONDS
        if is_board_gone and now - self._renewed_at() > self._frozen_seconds > 0:
            return "neither PostgreSQL nor Redis can be reached"
        return None
