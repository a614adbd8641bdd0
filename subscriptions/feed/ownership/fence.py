"""What ends an owner that cannot ask PostgreSQL whether its connection still is its own.

A database that is out of reach for everybody takes nothing from anybody: owners stream on. One that is out of reach for
this owner alone may have given the connection to another, whose socket would be one too many. That other writes to the
board under its newer epoch, and waits for a moment, before it opens; whoever finds such an epoch there has lost. An
epoch never becomes the newest again, so nothing that the board says later takes the word back. Only a lease that is
renewed after it does: then the board is wrong, left over from a database that has been put back, and is written anew.

Where the board cannot be reached either nobody hears this owner, and it ends before others may take its connection for
a frozen one's.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

BOARD_GONE_SECONDS: Final = 5.0
"""A board that restarts is back sooner."""

RenewedAt = Callable[[], float]
"""Return when the look began that renewed our leases last, of `time.monotonic`."""


class Fence:
    """One owner's doubts, and the word it has to leave before it opens."""

    def __init__(self, renewed_at: RenewedAt = time.monotonic, *, frozen_seconds: float = 0.0) -> None:
        self._renewed_at = renewed_at
        self._frozen_seconds = frozen_seconds
        self._superseded_at: float | None = None
        self._board_seen_at = time.monotonic()
        self._announced = asyncio.Event()

    @property
    def is_board_wrong(self) -> bool:
        """Whether the board names another owner, and our lease was renewed since."""
        return self._superseded_at is not None and self._renewed_at() > self._superseded_at

    def note_board(self) -> None:
        """Take note that the board was reached."""
        self._board_seen_at = time.monotonic()

    def note_announced(self) -> None:
        """Take note that the board has our epoch, and no newer one."""
        self._announced.set()
        if self.is_board_wrong:
            self._superseded_at = None

    def note_superseded(self) -> None:
        """Take note that another owner has written to the board under a newer epoch."""
        if self._superseded_at is None:
            self._superseded_at = time.monotonic()

    async def wait_announced(self) -> None:
        """Wait until a former owner can know of us, but no longer than it may go on without a sign of anyone."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._frozen_seconds):
                await self._announced.wait()

    def why_closed(self) -> str | None:
        """Return why no socket may be open; None if one may."""
        if self._superseded_at is not None and not self.is_board_wrong:
            return "another owner has this connection"
        now = time.monotonic()
        is_unheard = now - self._board_seen_at > BOARD_GONE_SECONDS
        if is_unheard and now - self._renewed_at() > self._frozen_seconds > 0:
            return "neither PostgreSQL nor Redis can be reached"
        return None
