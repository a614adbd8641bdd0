"""Who we are to the broker, read anew for every socket: a token may roll over at any time of the day.

Reading may ask the database, so it happens beside the loop and not for longer than a moment; while nobody can say,
what was known last is as good as anything.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from asgiref.sync import sync_to_async
from django.db import Error as DatabaseError
from django.db import connections

from marketdata.dhan.credentials import Credentials
from marketdata.dhan.sealing import SealError

logger = logging.getLogger(__name__)

BEAT_SECONDS: Final = 1.0
READ_SECONDS: Final = 3.0

ReadCredentials = Callable[[], Credentials | None]
"""Return who we are now; None while nobody has told us. May block."""


class Identity:
    """The credentials as last read."""

    def __init__(self, read: ReadCredentials) -> None:
        self._read = read
        self._known: Credentials | None = None

    async def read(self) -> Credentials | None:
        """Return who we are now, or were when it could be read last."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                self._known = await sync_to_async(self._read_once)()
        except (DatabaseError, SealError, TimeoutError) as error:
            logger.warning("the broker's credentials cannot be read (%s)", type(error).__name__)
        return self._known

    async def wait_for_other_than(self, used: Credentials | None, *, seconds: float | None) -> bool:
        """Wait until the credentials are others; give up after `seconds`. Returns whether they are."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    if await self.read() != used:
                        return True
                    await asyncio.sleep(BEAT_SECONDS)
        except TimeoutError:
            return False

    def _read_once(self) -> Credentials | None:
        try:
            return self._read()
        except DatabaseError:
            connections.close_all()
            raise
