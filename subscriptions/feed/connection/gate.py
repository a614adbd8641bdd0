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
from subscriptions.domain.connection_life import Loss
from subscriptions.feed.ownership.keeper import LeaseKeeper
from subscriptions.feed.ownership.statements import Quiet

_TRY_AGAIN_SECONDS: Final = 0.1
QUIET_SECONDS: Final = 60.0


class _Turn:
    """One opening: granted by the gate, done when the opener says so."""

    def __init__(self) -> None:
        self.granted = asyncio.Event()
        self.done = asyncio.Event()


class OpeningGate:
    """Grants turns while `run` runs."""

    def __init__(self, keeper: LeaseKeeper, *, pause_seconds: float, quiet_seconds: float = QUIET_SECONDS) -> None:
        self._keeper = keeper
        self._pause_seconds = pause_seconds
        self._quiet_seconds = quiet_seconds
        self._turns: asyncio.Queue[_Turn] = asyncio.Queue()
        self._quiet: Quiet | None = None
        self._is_untold = False
        self._quiet_until = 0.0

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
                self._keeper.free_gate()

    def heed(self, loss: Loss) -> None:
        """Impose the quiet that the broker asked for with `loss`, if it asked for any."""
        if loss.reaction not in {Reaction.WAIT, Reaction.STOP_ALL}:
            return
        quiet = Quiet(self._quiet_seconds, loss.reaction is Reaction.STOP_ALL, loss.reason)
        self.take_note(quiet)
        self._is_untold = True
        self._keeper.impose_quiet(quiet, grows=loss.reaction is Reaction.WAIT)

    def note_opened(self) -> None:
        """Take note that the broker let us in."""
        self._keeper.note_opened()

    def take_note(self, quiet: Quiet | None) -> None:
        """Learn how long the account is to be quiet from now on; None if it is not.

        What was said before the keeper has heard of our own quiet is not news.
        """
        if quiet is None and self._is_untold:
            return
        self._is_untold = False
        self._quiet = quiet
        self._quiet_until = asyncio.get_running_loop().time() + (quiet.seconds if quiet else 0.0)

    def forbids_sockets(self) -> str | None:
        """Return why no socket of the account may be open now; None if they may."""
        return self._quiet.reason if self._is_quiet() and self._quiet is not None and self._quiet.closes_all else None

    async def wait_quiet(self) -> None:
        """Wait until the account need not be quiet any more."""
        while True:
            if not self._is_quiet():
                return
            await asyncio.sleep(_TRY_AGAIN_SECONDS)

    def _is_quiet(self) -> bool:
        return self._quiet is not None and asyncio.get_running_loop().time() < self._quiet_until

    async def _pass(self) -> None:
        """Wait until no other worker is at the gate; the lock that says so can only be tried."""
        while True:
            await self.wait_quiet()
            if await asyncio.wrap_future(self._keeper.try_gate()):
                return
            await asyncio.sleep(_TRY_AGAIN_SECONDS)
