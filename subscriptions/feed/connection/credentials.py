"""Reads the broker's credentials before every socket, because an access token may be replaced at any time of the day.

While they cannot be read, the credentials read last stay in use.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from django.db import Error as DatabaseError

from marketdata.dhan.credentials import Credentials
from marketdata.dhan.sealing import SealError
from subscriptions.feed.threads import run_in_thread

logger = logging.getLogger(__name__)

# Chosen: a new token is in use within a second of being stored; one indexed query for each waiting connection.
BEAT_SECONDS: Final = 1.0
# Chosen: above the 2 s of a statement timeout, so that a slow database answers with its own error first.
READ_SECONDS: Final = 3.0

ReadCredentials = Callable[[], Credentials | None]
"""Return the present credentials; None while none are stored. May block."""
NoteRefusal = Callable[[Credentials, str], None]
"""Record that the broker refuses these credentials, and its reason. May block."""


def _note_nothing(_refused: Credentials, _reason: str) -> None:
    """Record nothing: for callers without token renewal."""


class CredentialsReader:
    """The credentials as read last."""

    def __init__(self, read: ReadCredentials, note_refusal: NoteRefusal = _note_nothing) -> None:
        self._read = read
        self._note_refusal = note_refusal
        self._known: Credentials | None = None
        self._problem = ""

    async def read(self) -> Credentials | None:
        """Return the present credentials, or those read last if they cannot be read now."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                self._known = await run_in_thread(self._read)
        except SealError as error:
            self._log_once(str(error))
        except (DatabaseError, TimeoutError) as error:
            self._log_once(type(error).__name__)
        else:
            self._problem = ""
        return self._known

    async def note_refused(self, used: Credentials, reason: str) -> None:
        """Record that the broker refused `used`; the token renewal looks for that record."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                await run_in_thread(self._note_refusal, used, reason)
        except (DatabaseError, SealError, TimeoutError) as error:
            logger.warning("refused token not recorded (%s)", type(error).__name__)

    async def wait_for_other_than(self, used: Credentials | None, *, seconds: float | None) -> bool:
        """Wait until the credentials differ from `used`, at most `seconds`; return whether they do."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    if await self.read() != used:
                        return True
                    await asyncio.sleep(BEAT_SECONDS)
        except TimeoutError:
            return False

    def _log_once(self, problem: str) -> None:
        """Log a problem when it begins; the read is repeated each second."""
        if problem != self._problem:
            logger.warning("broker credentials unreadable: %s", problem)
        self._problem = problem
