"""Which segments trade on other connections now, from the reports of all owners: evidence of a session.

The calendar may lack a session: a special Saturday, Muhurat before its hours are entered, a wrong row. Then trades on
other connections show that packets are due on this one.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final

from marketdata.domain.feed import ConnectionReport, ConnectionState
from marketdata.domain.instruments import ExchangeSegment
from marketdata.quote_board import BoardError, OwnerBoard
from subscriptions.feed.threads import reraise_cancellation

logger = logging.getLogger(__name__)

READ_SECONDS: Final = 1.0
"""Chosen: owners report once a second."""
FRESH_SECONDS: Final = 1.5
"""Chosen: a report is evidence if its connection had a packet just before. With the beats of report and reading, the
evidence ends within 4 s of the last packet, well before a silence counts as mute."""


class OtherTrades:
    """The newest evidence of each connection."""

    def __init__(self) -> None:
        self._segments: dict[int, frozenset[ExchangeSegment]] = {}
        self._read_at = 0.0

    async def run(self, board: OwnerBoard) -> None:
        """Read the reports on a beat until cancelled; without Redis there is no evidence."""
        while True:
            try:
                async with asyncio.timeout(READ_SECONDS):
                    self.note(await board.list_reports(), now=time.monotonic())
            except (BoardError, OSError) as error:  # TimeoutError is an OSError.
                logger.debug("reports not readable: %s", type(error).__name__)
            reraise_cancellation()
            await asyncio.sleep(READ_SECONDS)

    def note(self, reports: Sequence[ConnectionReport], *, now: float) -> None:
        """Replace the evidence by that of `reports`; `now` is in monotonic seconds."""
        self._segments = {one.connection: _list_trading(one) for one in reports}
        self._read_at = now

    def list_segments(self, connection: int, *, now: float) -> frozenset[ExchangeSegment]:
        """Return the segments that trade now on other connections than `connection`."""
        if now - self._read_at > READ_SECONDS + FRESH_SECONDS:
            return frozenset()
        return frozenset().union(*(found for number, found in self._segments.items() if number != connection))


def _list_trading(report: ConnectionReport) -> frozenset[ExchangeSegment]:
    # Both times are of the owner's clock.
    packet_age_ms = report.reported_at_ms - (report.last_packet_at_ms or 0)
    is_fresh = report.state is ConnectionState.LIVE and packet_age_ms <= FRESH_SECONDS * 1_000
    return frozenset(map(ExchangeSegment, report.ticking)) if is_fresh else frozenset()
