"""Looking after lost connections: every feed worker looks at all five once a second and moves what must move.

Whose connection it is does not matter: a dead owner cannot say that it is dead. Two workers that see it at the same
second move it once, for the move is decided again under the lock.
"""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from django.db import Error as DatabaseError
from django.db import connections
from django.utils import timezone

from subscriptions import selectors, services
from subscriptions.domain.outages import OutageMonitor
from subscriptions.feed.threads import run_in_thread
from subscriptions.services import FailOverReport

logger = logging.getLogger(__name__)

BEAT_SECONDS: Final = 1.0


class FailoverMonitor:
    """The watch of one worker."""

    def __init__(self, *, grace_seconds: float) -> None:
        self._monitor = OutageMonitor(timedelta(seconds=grace_seconds))

    async def run(self) -> None:
        """Look and move, for ever. Without PostgreSQL nothing is known and nothing moves."""
        while True:
            try:
                moves = await run_in_thread(self._check)
            except (DatabaseError, services.PlacementBusy) as error:
                logger.warning("lost connections cannot be looked after (%s)", type(error).__name__)
                moves = []
            for report in moves:
                logger.warning(
                    "connection %d is lost: %d instruments moved %s, %d wait there",
                    report.connection,
                    report.moved,
                    dict(report.to or {}),
                    report.waiting,
                )
            await asyncio.sleep(BEAT_SECONDS)

    def _check(self) -> list[FailOverReport]:
        try:
            health, now = selectors.list_health()
            lost = self._monitor.check(health, now=now) if now is not None else []
            done = [services.fail_over(connection=number, now=timezone.now()) for number in lost]
        except DatabaseError:
            connections.close_all()
            raise
        return [report for report in done if report.moved]
