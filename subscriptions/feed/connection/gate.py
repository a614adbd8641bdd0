"""The gate before an opening: account-wide, one socket at a time, with a pause between two, and closed in quiet.

The broker blocks accounts that open sockets too fast. One task grants turns in the order they were asked for,
holds the account-wide lock during an opening and the pause after it, and so keeps other workers waiting too. Where
the broker asked for quiet (429: open nothing, 805: close everything) a row in PostgreSQL keeps every worker's gate
closed, whoever was asked. A quiet is imposed within the turn that met it, so that no other turn comes between.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from marketdata.dhan.disconnects import Reaction
from subscriptions.domain.connection_life import Disconnect
from subscriptions.feed.ownership.keeper import LeaseKeeper
from subscriptions.feed.ownership.statements import Cooldown

_TRY_AGAIN_SECONDS: Final = 0.1
COOLDOWN_SECONDS: Final = 60.0


class _Turn:
    """One opening: granted by the gate, done when the opener says so."""

    def __init__(self) -> None:
        self.granted = asyncio.Event()
        self.done = asyncio.Event()


class OpeningGate:
    """Grants turns while `run` runs."""

    def __init__(
        self, keeper: LeaseKeeper, *, pause_seconds: float, cooldown_seconds: float = COOLDOWN_SECONDS
    ) -> None:
        self._keeper = keeper
        self._pause_seconds = pause_seconds
        self._cooldown_seconds = cooldown_seconds
        self._turns: asyncio.Queue[_Turn] = asyncio.Queue()
        self._cooldown: Cooldown | None = None
        self._is_own_pending = False
        self._cooldown_until = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the right to open one socket; leaving gives it back, the gate then pauses by itself."""
        turn = _Turn()
        self._turns.put_nowait(turn)
        try:
            await turn.granted.wait()
            yield
        finally:
            turn.done.set()

    async def run(self) -> None:
        """Grant turns, one at a time, for ever."""
        while True:
            turn = await self._turns.get()
            if turn.done.is_set():  # Given up while waiting.
                continue
            await self._pass()
            try:
                turn.granted.set()
                await turn.done.wait()
                await asyncio.sleep(self._pause_seconds)
            finally:
                self._keeper.release_gate()

    def apply(self, disconnect: Disconnect) -> None:
        """Impose the quiet that the broker asked for with `loss`, if it asked for any."""
        if disconnect.reaction not in {Reaction.WAIT, Reaction.STOP_ALL}:
            return
        cooldown = Cooldown(self._cooldown_seconds, disconnect.reaction is Reaction.STOP_ALL, disconnect.reason)
        self.update_cooldown(cooldown)
        self._is_own_pending = True
        self._keeper.start_cooldown(cooldown, grows=disconnect.reaction is Reaction.WAIT)

    def note_opened(self) -> None:
        """Take note that the broker let us in."""
        self._keeper.note_opened()

    def update_cooldown(self, cooldown: Cooldown | None) -> None:
        """Learn how long the account is to be quiet from now on; None if it is not.

        What was said before the keeper has heard of our own quiet is not news.
        """
        if cooldown is None and self._is_own_pending:
            return
        self._is_own_pending = False
        self._cooldown = cooldown
        self._cooldown_until = asyncio.get_running_loop().time() + (cooldown.seconds if cooldown else 0.0)

    def why_sockets_forbidden(self) -> str | None:
        """Return why no socket of the account may be open now; None if they may."""
        return (
            self._cooldown.reason
            if self._is_cooling_down() and self._cooldown is not None and self._cooldown.closes_all
            else None
        )

    async def wait_cooldown(self) -> None:
        """Wait until the account need not be quiet any more."""
        while True:
            if not self._is_cooling_down():
                return
            await asyncio.sleep(_TRY_AGAIN_SECONDS)

    def _is_cooling_down(self) -> bool:
        return self._cooldown is not None and asyncio.get_running_loop().time() < self._cooldown_until

    async def _pass(self) -> None:
        """Wait until no other worker is at the gate; the lock that says so can only be tried."""
        while True:
            await self.wait_cooldown()
            if await asyncio.wrap_future(self._keeper.try_gate()):
                return
            await asyncio.sleep(_TRY_AGAIN_SECONDS)
