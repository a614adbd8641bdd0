"""What ends an owner that cannot ask PostgreSQL whether its connection still is its own.

A database that is out of reach for everybody takes nothing from anybody: owners stream on. One that is out of reach for
this owner alone may have given the connection to another, whose socket would be one too many. That other writes to the
board before it opens, so whoever reads there of a newer epoch has lost. Where the board cannot be reached either
nobody hears this owner anyway, and it ends before others may take its connection for a frozen one's.

While PostgreSQL can be asked its leases say who owns what, and nothing here does.
"""

import time
from collections.abc import Callable
from typing import Final

BOARD_GONE_SECONDS: Final = 5.0
"""A board that restarts is back sooner."""

UnrenewedSince = Callable[[], float | None]
"""Return when leases were last renewed (of `time.monotonic`) if they cannot be now; None if they can."""


class Fence:
    """One owner's doubts."""

    def __init__(self, unrenewed_since: UnrenewedSince = lambda: None, *, frozen_seconds: float = 0.0) -> None:
        self._unrenewed_since = unrenewed_since
        self._frozen_seconds = frozen_seconds
        self._is_superseded = False
        self._board_seen_at = time.monotonic()

    def note_board(self, *, is_superseded: bool) -> None:
        """Take note that the board was reached, and whether another owner has written there under a newer epoch."""
        self._board_seen_at = time.monotonic()
        self._is_superseded = is_superseded

    def why_closed(self) -> str | None:
        """Return why no socket may be open; None if one may."""
        since, now = self._unrenewed_since(), time.monotonic()
        if since is None:
            return None
        if self._is_superseded:
            return "another owner has this connection, and the lease cannot be read"
        if now - since > self._frozen_seconds and now - self._board_seen_at > BOARD_GONE_SECONDS:
            return "neither PostgreSQL nor Redis can be reached"
        return None
