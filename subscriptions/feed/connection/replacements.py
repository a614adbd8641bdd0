"""One replacement at a time: the account's sockets with bad data are not closed together.

If all sockets send bad data, the broker does, and nearly all of its packets are good. So one connection claims the
account's only replacement (a row in PostgreSQL) and shows whether another socket is better. The others stay open until
its socket is proven good, or until the claim expires; then one of them may try.
"""

import asyncio
from typing import Final

from subscriptions.domain.bad_data import PAUSE_SECONDS
from subscriptions.feed.ownership.keeper import LeaseKeeper

ASK_AGAIN_SECONDS: Final = 2.0  # Chosen: against five minutes of waiting, two seconds are none.
ANSWER_SECONDS: Final = 1.0  # Chosen: half of the time after which the watchdog takes a gap for a freeze.


class Replacements:
    """The right of one connection to replace its socket for bad data."""

    def __init__(self, keeper: LeaseKeeper, connection: int) -> None:
        self.is_ours = False
        """Whether the last claim was granted, and its success is not known yet."""
        self._keeper = keeper
        self._connection = connection
        self._ask_at = 0.0

    async def claim(self, *, now: float) -> bool:
        """Return whether the socket may be replaced now; False while PostgreSQL does not answer."""
        if now < self._ask_at:
            return False
        self._ask_at = now + ASK_AGAIN_SECONDS
        number = self._connection
        asked = self._keeper.ask(lambda statements: statements.claim_replacement(number, seconds=PAUSE_SECONDS))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                is_granted = await asyncio.wrap_future(asked)
        except TimeoutError:
            return False
        self.is_ours = is_granted is True
        return self.is_ours

    def end(self) -> None:
        """Let another connection replace its socket: the replacement helped."""
        number, self.is_ours = self._connection, False
        self._keeper.ask(lambda statements: statements.end_replacement(number))
