"""The Celery worker component that runs the analytics worker as long as the Celery worker lives (`loop_step`).

It takes part only in workers that consume the queue "analytics".
"""

import asyncio
from typing import Final

from django.conf import settings
from django.utils import timezone

from marketdata import derived_board
from marketdata import selectors as market_selectors
from marketdata.domain.sessions import IST, SessionBook
from subscriptions import selectors
from subscriptions.analytics.universe import Target, Universe, make_universe
from subscriptions.analytics.worker import AnalyticsSettings, AnalyticsWorker
from subscriptions.feed.ownership.statements import connection_parameters
from subscriptions.feed.threads import run_in_thread
from subscriptions.loop_step import LoopStep

ANALYTICS_QUEUE: Final = "analytics"


def read_universe() -> Universe | None:
    """Return the series that stream, with yesterday's open interest of their options from our own record."""
    targets = [Target(listing, future_id) for listing, future_id in selectors.list_streamed_series()]
    ids = [leg.instrument_id for target in targets for leg in target.listing.legs]
    closes = market_selectors.list_previous_closes(instrument_ids=ids, now=timezone.now()) if ids else {}
    return make_universe(targets, {one: close.oi for one, close in closes.items() if close.oi is not None})


def read_settings() -> AnalyticsSettings:
    """Return the settings of this worker."""
    return AnalyticsSettings(
        database=connection_parameters(settings.DATABASES["default"]),
        flush_seconds=settings.FLUSH_MS / 1_000,
        rate=settings.INTEREST_RATE_PERCENT / 100,
        read_universe=lambda: run_in_thread(read_universe),
        read_calendar=lambda: run_in_thread(_read_calendar),
        connect=derived_board.connect_publisher,
    )


def _read_calendar() -> SessionBook:
    return market_selectors.read_calendar(about=timezone.now().astimezone(IST).date())


class AnalyticsWorkerStep(LoopStep):
    """Starts and stops the analytics worker with the Celery worker."""

    queue = ANALYTICS_QUEUE

    async def run(self, stop: asyncio.Event) -> None:
        """Compute until `stop` is set."""
        await AnalyticsWorker(read_settings(), stop).run()
