"""Monitors the socket of one connection: closes it if it is mute, starved, sends bad data or may be another owner's.

The limits are decided in `subscriptions.domain`: `watchdog`, `delivery` and `bad_data`. For bad data one socket of the
account is replaced at a time (`replacements`). The monitor reads the counters that the flush fills and decodes nothing
itself. Each closing has its own cause, apart from network failures.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from django.db import Error as DatabaseError

from marketdata.dhan.disconnects import Reaction
from marketdata.domain.feed import STARVED_SECONDS, Delivery
from marketdata.domain.instruments import ExchangeSegment
from subscriptions.domain.bad_data import BadDataMonitor
from subscriptions.domain.commands import Modes
from subscriptions.domain.connection_life import Disconnect, DisconnectCause
from subscriptions.domain.delivery import DeliveryMonitor
from subscriptions.domain.watchdog import Limits, Reading, Watchdog
from subscriptions.feed.connection.life import ConnectionLifecycle
from subscriptions.feed.connection.other_trades import OtherTrades
from subscriptions.feed.connection.replacements import Replacements
from subscriptions.feed.threads import run_in_thread

logger = logging.getLogger(__name__)

# Chosen: small against the shortest mute limit in use (1 s in tests, 10 s by default).
BEAT_SECONDS: Final = 0.25
# Chosen: after a silence the packets of one second and a half are more than a tenth of those due in ten seconds.
STARVED_FOR_SECONDS: Final = 2.0
# Chosen: a change of the market calendar by staff takes effect within a quarter of a minute.
REFRESH_SECONDS: Final = 15.0

IsStreamingExpected = Callable[[ExchangeSegment, datetime], bool]
"""Return whether the instruments of a segment send packets at that time. Must not block."""


async def refresh_sessions_on_beat(refresh: Callable[[], object]) -> None:
    """Read the market calendar on a beat until cancelled; after a failed read the former calendar stays."""
    while True:
        try:
            await run_in_thread(refresh)
        except DatabaseError as error:
            logger.warning("market calendar unreadable (%s); the former one stays", type(error).__name__)
        await asyncio.sleep(REFRESH_SECONDS)


class DataMonitor:
    """Checks the sockets of one connection."""

    def __init__(
        self,
        connection: ConnectionLifecycle,
        *,
        limits: Limits,
        is_expected: IsStreamingExpected,
        replacements: Replacements,
        other_trades: OtherTrades | None = None,
    ) -> None:
        self._connection = connection
        self._replacements = replacements
        self._other_trades = other_trades or OtherTrades()
        self._is_expected = is_expected
        self._watchdog = Watchdog(limits)
        self._delivery = DeliveryMonitor()
        self._bad_data = BadDataMonitor()
        self._sockets = 0
        self._streaming = 0
        self._starved_since: float | None = None
        self._sent: Modes = {}
        self._segments: frozenset[ExchangeSegment] = frozenset()

    async def run(self) -> None:
        """Check on a beat until cancelled."""
        while True:
            self._check(time.monotonic(), datetime.now(UTC))
            if self._connection.has_socket:
                await self._check_bad_data(time.monotonic())
            await asyncio.sleep(BEAT_SECONDS)

    def _check(self, now: float, at: datetime) -> None:
        connection = self._connection
        if not connection.has_socket:
            return
        connection.check_fence()
        if connection.sockets != self._sockets:
            self._sockets = connection.sockets
            self._watchdog.begin_socket(now=now, streamed_before=self._streaming)
            self._delivery.begin_socket(now=now)
            self._bad_data.begin_socket(now=now)
        segments = self._list_segments()
        expected = frozenset(one for one in segments if self._is_expected(one, at)) | (segments & self._traded(now))
        connection.expect_data(is_expected=bool(expected))
        counters, sent = connection.table.counters, len(connection.plan.sent)
        seen = Reading(
            packets=counters.packets,
            streaming=connection.table.streaming,
            sent=sent,
            segments=segments,
            expected=expected,
            kept_share=connection.table.take_kept_share(),
        )
        # The last positive number: the watchdog of the next socket expects as many first packets again.
        self._streaming = seen.streaming or self._streaming
        # A flush waits while Redis hangs: its packets have arrived, although no counter has them yet.
        arrived = counters.packets + connection.table.waiting
        # Trades of this connection show a session too, but only to the display: where all connections are without
        # packets at once, the session that the calendar does not have is over, and no socket is closed for it.
        shown = replace(seen, packets=arrived, expected=expected | (segments & frozenset(connection.ticking)))
        delivery = self._delivery.check(shown, now=now)
        connection.note_delivery(delivery)
        silence = self._watchdog.check(seen, now=now)
        if silence is not None:
            reason = f"mute: no packet for {silence:.1f} s with {sent} instruments subscribed"
            connection.close_socket(Disconnect(Reaction.COME_BACK, reason, DisconnectCause.MUTE))
            return
        # Packets that come again after a silence are too few for ten seconds, but no reason to replace the socket.
        is_starved = delivery.condition is Delivery.STARVED and bool(expected)
        self._starved_since = (self._starved_since or now) if is_starved else None
        if self._starved_since is not None and now - self._starved_since >= STARVED_FOR_SECONDS:
            reason = f"starved: {delivery.received} of {delivery.due} packets due in {STARVED_SECONDS:.0f} s"
            connection.close_socket(Disconnect(Reaction.COME_BACK, reason, DisconnectCause.MUTE))

    async def _check_bad_data(self, now: float) -> None:
        counters, replacements = self._connection.table.counters, self._replacements
        share = self._bad_data.check(packets=counters.packets, bad=counters.bad, now=now)
        if share is not None and await replacements.claim(now=now):
            self._bad_data.note_replaced(now=now)
            reason = f"bad data: {share:.1%} of the packets were malformed or impossible"
            self._connection.close_socket(Disconnect(Reaction.COME_BACK, reason, DisconnectCause.BAD_DATA))
        elif replacements.is_ours and self._bad_data.is_good(packets=counters.packets, bad=counters.bad, now=now):
            replacements.end()

    def _traded(self, now: float) -> frozenset[ExchangeSegment]:
        """Return the segments in which other connections receive trades now, whatever the calendar says."""
        return self._other_trades.list_segments(self._connection.lease.connection, now=now)

    def _list_segments(self) -> frozenset[ExchangeSegment]:
        """Return the segments of the sent set."""
        # The plan makes a new mapping with every request, so the same object means the same segments: this check runs
        # four times a second over up to 5,000 keys.
        if self._sent is not self._connection.plan.sent:
            self._sent = self._connection.plan.sent
            self._segments = frozenset(key.segment for key in self._sent)
        return self._segments
