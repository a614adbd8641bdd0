"""Who we are to the broker, read anew for every socket: a token may roll over at any time of the day.

Reading may ask the database, so it happens beside the loop and not for longer than a moment; while nobody can say,
what was known last is as good as anything.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, TypeVar

from django.db import Error as DatabaseError
from django.db import connections

from marketdata.dhan.credentials import Credentials
from marketdata.dhan.sealing import SealError
from subscriptions.feed.threads import run_in_thread

logger = logging.getLogger(__name__)

BEAT_SECONDS: Final = 1.0
READ_SECONDS: Final = 3.0

Answer = TypeVar("Answer")

ReadCredentials = Callable[[], Credentials | None]
"""Return who we are now; None while nobody has told us. May block."""
NoteRefusal = Callable[[Credentials, str], None]
"""Note that the broker refuses these credentials, and in what words. May block."""


def _note_nothing(_refused: Credentials, _reason: str) -> None:
    """Stand in where nobody looks after the token."""


class CredentialsReader:
    """The credentials as last read."""

    def __init__(self, read: ReadCredentials, note_refusal: NoteRefusal = _note_nothing) -> None:
        self._read = read
        self._note_refusal = note_refusal
        self._known: Credentials | None = None
        self._trouble = ""

    async def read(self) -> Credentials | None:
        """Return who we are now, or were when it could be read last."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                self._known = await run_in_thread(self._in_database, self._read)
        except SealError as error:
            self._log_once(str(error))
        except (DatabaseError, TimeoutError) as error:
            self._log_once(type(error).__name__)
        else:
            self._trouble = ""
        return self._known

    async def note_refused(self, used: Credentials, reason: str) -> None:
        """Have it noted that the broker refuses what was used, for whoever can get another token."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                await run_in_thread(self._in_database, lambda: self._note_refusal(used, reason))
        except (DatabaseError, SealError, TimeoutError) as error:
            logger.warning("that the broker refuses the token cannot be noted (%s)", type(error).__name__)

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

    def _log_once(self, trouble: str) -> None:
        """Say once what is in the way: reading is tried again each second."""
        if trouble != self._trouble:
            logger.warning("the broker's credentials cannot be read: %s", trouble)
        self._trouble = trouble

    @staticmethod
    def _in_database(act: Callable[[], Answer]) -> Answer:
        """Act in the one thread that talks to the database; a broken connection is not used again."""
        try:
            return act()
        except DatabaseError:
            connections.close_all()
            raise
