"""The data watch of one connection: looks at its socket on a beat; ends one that is mute, talks nonsense or is fenced.

What is due, and how long a silence may be, is decided in `subscriptions.domain.watchdog`, how much nonsense is too
much in `subscriptions.domain.bad_data`; which segments are to stream at all is asked of whoever knows the sessions.
Such a socket is closed and another opened, with credentials read anew; the cause is its own, for the line is in order.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from django.db import Error as DatabaseError
from django.db import connections

from marketdata.dhan.disconnects import Reaction
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import Mode
from subscriptions.domain.bad_data import BadDataMonitor
from subscriptions.domain.connection_life import Disconnect, DisconnectCause
from subscriptions.domain.watchdog import Limits, Reading, Watchdog
from subscriptions.feed.connection.owner import Owner
from subscriptions.feed.threads import run_in_thread

logger = logging.getLogger(__name__)

BEAT_SECONDS: Final = 0.25
REFRESH_SECONDS: Final = 15.0

IsStreamingExpected = Callable[[ExchangeSegment, datetime], bool]
"""Whether a segment's instruments are due to say something at that time. Must not block."""


async def refresh_sessions_on_beat(refresh: Callable[[], None]) -> None:
    """Have the calendar read now and then, beside the loop, for ever; one that cannot be read stays as it was."""
    while True:
        try:
            await run_in_thread(_refresh, refresh)
        except DatabaseError as error:
            logger.warning("the market's sessions cannot be read (%s)", type(error).__name__)
        await asyncio.sleep(REFRESH_SECONDS)


def _refresh(refresh: Callable[[], None]) -> None:
    try:
        refresh()
    except DatabaseError:
        connections.close_all()
        raise


class DataMonitor:
    """Watches one owner's socket."""

    def __init__(self, owner: Owner, *, limits: Limits, is_expected: IsStreamingExpected) -> None:
        self._owner = owner
        self._is_expected = is_expected
        self._watchdog = Watchdog(limits)
        self._bad_data = BadDataMonitor()
        self._sockets = 0
        self._streaming = 0
        self._sent: Mapping[InstrumentKey, Mode] = {}
        self._segments: frozenset[ExchangeSegment] = frozenset()

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            self._check(time.monotonic(), datetime.now(UTC))
            await asyncio.sleep(BEAT_SECONDS)

    def _check(self, now: float, at: datetime) -> None:
        owner = self._owner
        if not owner.has_socket:
            return
        owner.check_fence()
        owner.absorb()
        if owner.sockets != self._sockets:
            self._sockets = owner.sockets
            self._watchdog.begin_socket(now=now, streamed_before=self._streaming)
            self._bad_data.begin_socket(now=now)
        expected = frozenset(one for one in self._list_segments() if self._is_expected(one, at))
        owner.is_data_due = bool(expected)
        owner.settle()
        counters = owner.table.counters
        seen = Reading(counters.packets, owner.table.streaming, len(owner.sent), expected)
        self._streaming = seen.streaming or self._streaming
        silence = self._watchdog.check(seen, now=now)
        if silence is not None:
            reason = f"mute: no packet for {silence:.1f} s with {len(owner.sent)} instruments told"
            owner.close_socket(Disconnect(Reaction.COME_BACK, reason, DisconnectCause.MUTE))
            return
        share = self._bad_data.check(packets=counters.packets, bad=counters.bad, now=now)
        if share is not None:
            reason = f"bad data: {share:.1%} of the packets were malformed or impossible"
            owner.close_socket(Disconnect(Reaction.COME_BACK, reason, DisconnectCause.BAD_DATA))

    def _list_segments(self) -> frozenset[ExchangeSegment]:
        """Return the segments of what was told; the owner makes a new mapping with every request."""
        if self._sent is not self._owner.sent:
            self._sent = self._owner.sent
            self._segments = frozenset(key.segment for key in self._sent)
        return self._segments
