"""Reconciles one connection: reads its wanted set from PostgreSQL and sends the difference to the sent set.

It reads after a nudge and on a beat, because a nudge may be lost. No command is remembered: each difference is computed
from the present sets. While PostgreSQL is unreachable the plan stays as it is.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from django.db import Error as DatabaseError

from marketdata.domain.instruments import InstrumentKey
from subscriptions import selectors
from subscriptions.domain.wanted import WantedInstrument
from subscriptions.feed.plan.plan import PlannedConnection
from subscriptions.feed.threads import run_in_thread

logger = logging.getLogger(__name__)

# Chosen: the longest delay after a lost nudge.
BEAT_SECONDS: Final = 5.0
# Chosen: the first read after an outage comes at most a second late.
RETRY_SECONDS: Final = 1.0


class Reconciler:
    """Keeps the sent set of one connection equal to its wanted set."""

    def __init__(self, connection: PlannedConnection, *, pause_seconds: float) -> None:
        self._connection = connection
        self._pause_seconds = pause_seconds
        self._nudged = asyncio.Event()
        # The rows that were read last, and the plan's wanted set that was made of them.
        self._rows: Sequence[selectors.WantedRow] = ()
        self._wanted: Mapping[InstrumentKey, WantedInstrument] | None = None

    def nudge(self) -> None:
        """Read the wanted set now."""
        self._nudged.set()

    async def run(self) -> None:
        """Read and send until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read_forever())
            group.create_task(self.send_forever())

    async def _read_forever(self) -> None:
        number = self._connection.lease.connection
        while True:
            # Cleared before the read: a nudge during the read causes another one.
            self._nudged.clear()
            wait = BEAT_SECONDS
            try:
                await self._read()
            except DatabaseError as error:
                logger.warning(
                    "connection %d: wanted set unreadable (%s); %d instruments stay subscribed",
                    number,
                    type(error).__name__,
                    len(self._connection.plan.sent),
                )
                wait = RETRY_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._nudged.wait()

    async def _read(self) -> None:
        """Replace the plan if the wanted set has changed: for 5,000 instruments it costs more than all else here."""
        plan, number = self._connection.plan, self._connection.lease.connection
        rows = await run_in_thread(partial(selectors.list_wanted_rows, connection=number))
        if rows == self._rows and plan.wanted is self._wanted:
            return
        self._connection.replace_plan(await run_in_thread(partial(selectors.parse_wanted, rows)))
        self._rows, self._wanted = rows, plan.wanted

    async def send_forever(self) -> None:
        """Send the difference whenever the plan changes, one message per pause, while the lease is confirmed."""
        plan = self._connection.plan
        while True:
            await plan.wait_changed()
            # Computed once for a whole run: hundreds of messages follow one another while the plan stays the same.
            for request in self._connection.list_commands():
                await self._connection.wait_confirmed()
                # A new wanted set makes the remaining requests outdated: compute them again.
                if plan.has_changed:
                    break
                self._connection.send(request)
                await asyncio.sleep(self._pause_seconds)
