"""Wanted against sent: reads what PostgreSQL wants on a connection and sends the difference, always.

On a nudge at once, and on a beat, because a nudge may be lost. Nothing depends on a command having arrived: what
goes out is computed from what is wanted now and what this socket was told. Messages are paced; whatever changes
between two of them changes the rest of the plan. While PostgreSQL cannot be read the last plan stands.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from django.db import Error as DatabaseError
from django.db import connections

from subscriptions import selectors
from subscriptions.domain.wanted import WantedInstrument
from subscriptions.feed.connection.owner import Owner
from subscriptions.feed.threads import run_in_thread

logger = logging.getLogger(__name__)

BEAT_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 1.0


class Reconciler:
    """Keeps one owner's socket told what is wanted."""

    def __init__(self, owner: Owner, *, pause_seconds: float) -> None:
        self._owner = owner
        self._pause_seconds = pause_seconds
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """Look again at once."""
        self._nudged.set()

    async def run(self) -> None:
        """Read and send, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read_forever())
            group.create_task(self.send_forever())

    async def _read_forever(self) -> None:
        while True:
            self._nudged.clear()
            wait = BEAT_SECONDS
            try:
                wanted = await run_in_thread(_list_wanted, self._owner.lease.connection)
            except DatabaseError as error:
                logger.warning(
                    "connection %d: what is wanted cannot be read (%s); %d instruments stay as they are",
                    self._owner.lease.connection,
                    type(error).__name__,
                    len(self._owner.sent),
                )
                wait = RETRY_SECONDS
            else:
                self._owner.set_plan(
                    {one.key: one.mode for one in wanted},
                    {one.key: one.instrument_id for one in wanted},
                    frozenset(one.key for one in wanted if one.is_arriving),
                )
            await self._wait_for_nudge(wait)

    async def _wait_for_nudge(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._nudged.wait()
        except TimeoutError:
            return

    async def send_forever(self) -> None:
        """Send what is wanted and was not sent, for ever; nothing while it is not sure that the connection is ours."""
        while True:
            await self._owner.plan_changed.wait()
            self._owner.plan_changed.clear()
            for request in self._owner.list_commands():
                await self._owner.wait_confirmed()
                if self._owner.plan_changed.is_set():
                    break
                self._owner.send(request)
                await asyncio.sleep(self._pause_seconds)


def _list_wanted(connection: int) -> Sequence[WantedInstrument]:
    """Read in the one thread that talks to the database; a broken connection is not used again."""
    try:
        return selectors.list_wanted(connection=connection)
    except DatabaseError:
        connections.close_all()
        raise
