"""The task of the hub that reads the first details of an instrument, once for all browsers of the process.

A row comes with the next packet of its instrument, but an option that hardly trades may send none for minutes. The
last-value cache is at most a second old.
"""

import asyncio
import logging
from collections.abc import Collection
from typing import Final

from marketdata.quote_board import BoardError, HubBoard
from marketdata.streaming.client import Client
from marketdata.streaming.details import DetailTable

logger = logging.getLogger(__name__)

# Chosen: as the hub waits for a full frame; a Redis that hangs must not end the answers of the hub's other tasks.
ANSWER_WITHIN_SECONDS: Final = 1.0


class DetailReader:
    """Keeps the details that browsers look at in `table`."""

    def __init__(self, table: DetailTable) -> None:
        self._table = table
        self._clients: Collection[Client] = ()
        self._lacks_rows = asyncio.Event()

    def watch(self, clients: Collection[Client]) -> None:
        """Keep what these clients look at. For a second browser of an instrument its row is there already."""
        self._clients = clients
        self._table.watch({one for client in clients for one in client.details.instrument_ids})
        if self._table.missing:
            self._lacks_rows.set()

    async def run(self, board: HubBoard) -> None:
        """Read the rows that are missing, until cancelled. After a failure the next packets bring them."""
        while True:
            await self._lacks_rows.wait()
            self._lacks_rows.clear()
            try:
                async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                    self._table.absorb_cached(await board.read_rows(self._table.missing))
            except (BoardError, OSError, TimeoutError) as error:
                logger.debug("details not readable (%s)", error)
            for client in self._clients:
                if client.details.instrument_ids:
                    client.wake()
