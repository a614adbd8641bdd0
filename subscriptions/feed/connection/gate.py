"""The gate before an opening: one socket at a time for the whole account, with a pause, and closed during a cooldown.

The broker blocks accounts that open sockets too fast. One task grants turns in the order of the requests. It owns the
account-wide advisory lock during an opening and the pause after it, so the other workers wait too. A cooldown (after
429: open nothing; after 805: close everything) is a row in PostgreSQL that closes the gate of every worker. An 805 that
a held slot explains starts none (`slots`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Final

from marketdata.dhan.disconnects import Reaction
from subscriptions.domain.backoff import HELD_SECONDS
from subscriptions.domain.connection_life import Disconnect, DisconnectCause
from subscriptions.feed.connection.slots import HeldSlots
from subscriptions.feed.ownership.keeper import LeaseKeeper
from subscriptions.feed.ownership.statements import Cooldown

_POLL_SECONDS: Final = 0.1  # Chosen: PostgreSQL can only try this lock; ten tries a second from each waiting worker.
# docs/dhan.md: after 805 all connections stay closed for a minute.
COOLDOWN_SECONDS: Final = 60.0


class _Turn:
    """One opening: granted by the gate, done when the opener leaves it."""

    def __init__(self) -> None:
        self.granted = asyncio.Event()
        self.done = asyncio.Event()


class OpeningGate:
    """Grants turns while `run` runs."""

    def __init__(
        self,
        keeper: LeaseKeeper,
        *,
        pause_seconds: float,
        cooldown_seconds: float = COOLDOWN_SECONDS,
        held_seconds: float = HELD_SECONDS,
    ) -> None:
        self.slots = HeldSlots(keeper, held_seconds=held_seconds)
        self._keeper = keeper
        self._pause_seconds = pause_seconds
        self._cooldown_seconds = cooldown_seconds
        self._turns: asyncio.Queue[_Turn] = asyncio.Queue()
        self._cooldown: Cooldown | None = None
        self._is_own_pending = False
        self._cooldown_until = 0.0

    @asynccontextmanager
    async def turn(self, note_cooldown: Callable[[], object]) -> AsyncIterator[None]:
        """Wait for the right to open one socket; on exit the gate pauses, then grants the next turn.

        `note_cooldown` is called while a cooldown runs that began during the wait.
        """
        # Unbounded, but at most one turn for each connection is in it.
        turn = _Turn()
        self._turns.put_nowait(turn)
        try:
            while not turn.granted.is_set():
                if self._is_cooling_down():
                    note_cooldown()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_SECONDS):
                        await turn.granted.wait()
            yield
        finally:
            turn.done.set()

    async def run(self) -> None:
        """Grant turns, one at a time, until cancelled."""
        while True:
            turn = await self._turns.get()
            if turn.done.is_set():  # The opener was cancelled while it waited.
                continue
            # The account-wide lock is owned from here until `release_gate`, over the whole opening and the pause.
            await self._pass()
            try:
                turn.granted.set()
                await turn.done.wait()
                await asyncio.sleep(self._pause_seconds)
            finally:
                self._keeper.release_gate()

    async def apply(self, disconnect: Disconnect) -> Disconnect:
        """Start the cooldown that `disconnect` asks for, if any; return it with the reaction that is due.

        Where a held slot explains an 805, the other sockets stay open and only the closed one waits.
        """
        if disconnect.reaction is Reaction.STOP_ALL and await self.slots.explain_refusal():
            reason = f"{disconnect.reason}; the broker still counts a lost socket"
            return replace(disconnect, reaction=Reaction.COME_BACK, reason=reason, cause=DisconnectCause.HELD_SLOT)
        if disconnect.reaction in {Reaction.WAIT, Reaction.STOP_ALL}:
            self._start_cooldown(disconnect)
        return disconnect

    def _start_cooldown(self, disconnect: Disconnect) -> None:
        cooldown = Cooldown(self._cooldown_seconds, disconnect.reaction is Reaction.STOP_ALL, disconnect.reason)
        # In force at once, before the keeper's thread has recorded it.
        self.update_cooldown(cooldown)
        self._is_own_pending = True
        self._keeper.start_cooldown(cooldown, grows=disconnect.reaction is Reaction.WAIT)

    def note_opened(self) -> None:
        """Record that the broker accepted a socket: refusals in a row start at 0 again."""
        self._keeper.note_opened()

    def update_cooldown(self, cooldown: Cooldown | None) -> None:
        """Replace the cooldown by the one that the keeper read; None ends it."""
        # The keeper's thread may have read the row before our own cooldown reached it: such a None is outdated. The
        # keeper always reports our own cooldown next.
        if cooldown is None and self._is_own_pending:
            return
        self._is_own_pending = False
        self._cooldown = cooldown
        self._cooldown_until = asyncio.get_running_loop().time() + (cooldown.seconds if cooldown else 0.0)

    def why_sockets_forbidden(self) -> str | None:
        """Return why the account may have no open socket now; None if it may."""
        cooldown = self._cooldown if self._is_cooling_down() else None
        return cooldown.reason if cooldown is not None and cooldown.closes_all else None

    async def wait_cooldown(self, note_cooldown: Callable[[], object] = lambda: None) -> None:
        """Wait until the cooldown is over; `note_cooldown` is called while it runs."""
        while self._is_cooling_down():
            note_cooldown()
            await asyncio.sleep(_POLL_SECONDS)

    def _is_cooling_down(self) -> bool:
        return self._cooldown is not None and asyncio.get_running_loop().time() < self._cooldown_until

    async def _pass(self) -> None:
        """Wait until this worker owns the account-wide lock and no cooldown runs."""
        while True:
            await self.wait_cooldown()
            if await asyncio.wrap_future(self._keeper.try_gate()):
                return
            await asyncio.sleep(_POLL_SECONDS)
