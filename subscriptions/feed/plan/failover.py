"""Failover: every feed worker checks all five connections once a second and moves the instruments of lost ones.

The check does not depend on the owner, since a dead owner cannot report its death. Two workers that see a loss at the
same second move it once: `services.fail_over` decides again under the placement lock.
"""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from django.db import Error as DatabaseError
from django.utils import timezone

from subscriptions import selectors, services
from subscriptions.domain.outages import OutageMonitor
from subscriptions.feed.threads import run_in_thread
from subscriptions.services import FailOverReport

logger = logging.getLogger(__name__)

# Chosen: a fifth of the default grace (`FAILOVER_GRACE_S`), and one query a second for each worker.
BEAT_SECONDS: Final = 1.0


class FailoverMonitor:
    """The failover check of one worker."""

    def __init__(self, *, grace_seconds: float) -> None:
        self._monitor = OutageMonitor(timedelta(seconds=grace_seconds))

    async def run(self) -> None:
        """Check and move until cancelled. While PostgreSQL is unreachable nothing moves."""
        while True:
            try:
                moves = await run_in_thread(self._check)
            except (DatabaseError, services.PlacementBusy) as error:
                logger.warning("failover check failed (%s)", type(error).__name__)
                moves = []
            for report in moves:
                logger.warning(
                    "connection %d is lost: %d instruments moved %s, %d without room stay",
                    report.connection,
                    report.moved,
                    dict(report.to or {}),
                    report.waiting,
                )
            await asyncio.sleep(BEAT_SECONDS)

    def _check(self) -> list[FailOverReport]:
        # 1. State and lease of all connections, with the time of the database as the only clock.
        connections = selectors.list_connections()
        # 2. The monitor compares them with its former checks; without a row there is nothing to decide.
        lost = self._monitor.check(connections, now=connections[0].read_at) if connections else []
        # 3. Each loss is checked again and moved in one transaction.
        done = [services.fail_over(connection=number, now=timezone.now()) for number in lost]
        return [report for report in done if report.moved]
