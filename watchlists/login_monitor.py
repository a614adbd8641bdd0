"""Finds the browser sockets whose login session has ended: all of a process with two queries every half minute.

A log-out, a new password and a deactivated user are announced (`notices.LOGIN_CHANGED`), so that the sockets of that
user are checked at once. The interval finds sessions that expire, and announcements that were lost.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from channels.db import database_sync_to_async
from django.db import DatabaseError

from accounts import selectors as accounts

logger = logging.getLogger(__name__)

CHECK_SECONDS: Final = 30.0
"""Required: all sockets of a process are checked once in half a minute."""


@dataclass(frozen=True, slots=True)
class Login:
    """The login session of one socket, as at its handshake."""

    session_key: str
    user_id: int


class LoginMonitor:
    """Make one where the process starts, and pass it to the consumers; its task runs while there are sockets."""

    def __init__(self, *, check_seconds: float = CHECK_SECONDS) -> None:
        self.checks = 0
        self._check_seconds = check_seconds
        self._sockets: dict[asyncio.Future[None], Login] = {}
        self._announced: set[int] = set()
        self._has_announced = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None

    async def wait_for_end(self, login: Login) -> None:
        """Return when this login session has ended. Raises what made the checks fail, since it might have."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sockets[ended] = login
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run(), name="login monitor")
        try:
            await ended
        finally:
            del self._sockets[ended]

    def check_user(self, user_id: int) -> None:
        """Check the sockets of this user now."""
        self._announced.add(user_id)
        self._has_announced.set()

    async def aclose(self) -> None:
        """Cancel the task and wait for its end."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)

    async def _run(self) -> None:
        """Check all sockets at every interval, and those of announced users at once."""
        loop = asyncio.get_running_loop()
        due_at = loop.time() + self._check_seconds
        while self._sockets:
            try:
                async with asyncio.timeout_at(due_at):
                    await self._has_announced.wait()
                announced, self._announced = self._announced, set()
                self._has_announced.clear()
                checked = {ended: one for ended, one in self._sockets.items() if one.user_id in announced}
            except TimeoutError:
                due_at = loop.time() + self._check_seconds
                checked = dict(self._sockets)
            try:
                await self._check(checked)
            except Exception as error:  # The outermost loop: a session that cannot be checked must not stay open.
                logger.exception("login sessions not checked: closing %d sockets", len(checked))
                for ended in checked:
                    if not ended.done():
                        ended.set_exception(error)

    async def _check(self, checked: Mapping[asyncio.Future[None], Login]) -> None:
        if not checked:
            return
        self.checks += 1
        keys = [one.session_key for one in checked.values()]
        try:
            valid = await database_sync_to_async(accounts.list_logged_in, thread_sensitive=False)(keys)
        except DatabaseError as error:
            # Unknown: the next check finds it.
            logger.warning("login sessions not checked (%s)", type(error).__name__)
            return
        for ended, login in checked.items():
            if valid.get(login.session_key) != login.user_id and not ended.done():
                ended.set_result(None)
