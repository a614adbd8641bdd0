"""Held slots: the broker may count a socket that was lost without a closing handshake for some seconds more.

While it does, a reconnect is the sixth socket of the account, and the broker closes the oldest one with 805: one that
works. The rule (docs/decisions/0025-held-slots.md): a lost connection is opened again within a second or two. If an 805
follows, somewhere in the account, the broker holds slots. For the rest of the day a lost connection then waits
`held_seconds` as long as another is live. Losses are known to this worker, everything else to PostgreSQL.
"""

import asyncio
from typing import Final

from subscriptions.feed.ownership.keeper import LeaseKeeper

# Chosen: the broker closes the oldest socket at the opening of the sixth; the rest is for a slow network.
WINDOW_SECONDS: Final = 10.0
# Chosen: the broker may notice a loss later than we do, by a round trip or a busy loop.
MARGIN_SECONDS: Final = 1.0


class HeldSlots:
    """The losses of this worker's connections, and what follows from them for the next opening."""

    def __init__(self, keeper: LeaseKeeper, *, held_seconds: float) -> None:
        self._keeper = keeper
        self._seconds = held_seconds + MARGIN_SECONDS
        self._lost_at: dict[int, float] = {}

    def note_lost(self, number: int) -> None:
        """Record that the socket of a connection ended without a closing handshake."""
        self._lost_at[number] = asyncio.get_running_loop().time()

    def note_closed(self, number: int) -> None:
        """Record that the broker knows that the socket of a connection is closed."""
        self._lost_at.pop(number, None)

    async def is_held(self, number: int) -> bool:
        """Return whether a connection must wait for its slot now."""
        return self._may_be_held(number) and bool(
            await asyncio.wrap_future(self._keeper.ask(lambda statements: statements.is_slot_held(number)))
        )

    async def may_open(self, number: int) -> bool:
        """Return whether a connection may be opened now, inside its turn at the gate; a risk is recorded."""
        if not self._may_be_held(number):
            return True
        answer = await asyncio.wrap_future(
            self._keeper.ask(lambda statements: statements.risk_slot(number, window_seconds=WINDOW_SECONDS))
        )
        # Without PostgreSQL no failover would carry the instruments, so waiting would help nobody.
        return answer is not False

    async def explain_refusal(self) -> bool:
        """Return whether a held slot explains an 805 that came now; False while PostgreSQL is unreachable."""
        return bool(
            await asyncio.wrap_future(
                self._keeper.ask(lambda statements: statements.explain_refusal(window_seconds=WINDOW_SECONDS))
            )
        )

    def _may_be_held(self, number: int) -> bool:
        lost_at = self._lost_at.get(number)
        return lost_at is not None and asyncio.get_running_loop().time() - lost_at < self._seconds
