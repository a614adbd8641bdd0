"""The gate before an opening: account-wide, one socket at a time, with a pause between two.

The broker blocks accounts that open sockets too fast. One task grants turns in the order they were asked for,
holds the account-wide lock during an opening and the pause after it, and so keeps other workers waiting too.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from subscriptions.feed.ownership import LeaseKeeper

_TRY_AGAIN_SECONDS: Final = 0.1


class _Turn:
    """One opening: granted by the gate, done when the opener says so."""

    def __init__(self) -> None:
        self.granted = asyncio.Event()
        self.done = asyncio.Event()


class OpeningGate:
    """Grants turns while `run` runs."""

    def __init__(self, keeper: LeaseKeeper, *, pause_seconds: float) -> None:
        self._keeper = keeper
        self._pause_seconds = pause_seconds
        self._turns: asyncio.Queue[_Turn] = asyncio.Queue()

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

    async def _pass(self) -> None:
        """Wait until no other worker is at the gate; the lock that says so can only be tried."""
        while True:
            if await asyncio.wrap_future(self._keeper.try_gate()):
                return
            await asyncio.sleep(_TRY_AGAIN_SECONDS)
