"""The Celery worker component that runs the analytics worker as long as the Celery worker lives (`loop_step`).

It takes part only in workers that consume the queue "analytics".
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from django.conf import settings
from django.utils import timezone

from marketdata import derived_board, straddle_board
from marketdata import selectors as market_selectors
from marketdata.domain.broker_chains import BrokerChain
from marketdata.domain.instruments import SeriesKey
from marketdata.domain.sessions import IST, SessionBook
from subscriptions import selectors
from subscriptions.analytics.universe import NOT_LISTED, References, Target, Universe, make_references, make_universe
from subscriptions.analytics.worker import AnalyticsSettings, AnalyticsWorker
from subscriptions.feed.ownership.statements import connection_parameters
from subscriptions.feed.threads import run_in_thread
from subscriptions.loop_step import LoopStep

ANALYTICS_QUEUE: Final = "analytics"


class UniverseReader:
    """Reads which series stream, and what is known of their options beside the feed; keeps the chains that it has."""

    def __init__(self) -> None:
        self._chains: Mapping[SeriesKey, BrokerChain] = {}

    def read(self) -> tuple[Universe, References] | None:
        """Return the universe and its references; None without a series that streams. Raises BoardError."""
        now = timezone.now()
        universe = make_universe(
            [Target(listing, future_id) for listing, future_id in selectors.list_streamed_series()]
        )
        if universe is None:
            return None
        ids = [one for one in universe.instrument_ids.ravel().tolist() if one != NOT_LISTED]
        closes = market_selectors.list_previous_closes(instrument_ids=ids, now=now)
        recorded = {one: close.oi for one, close in closes.items() if close.oi is not None}
        self._chains = market_selectors.list_broker_chains(series=universe.keys, now=now, held=self._chains)
        return universe, make_references(universe, recorded, self._chains)


def read_settings() -> AnalyticsSettings:
    """Return the settings of this worker."""
    reader = UniverseReader()
    return AnalyticsSettings(
        database=connection_parameters(settings.DATABASES["default"]),
        flush_seconds=settings.FLUSH_MS / 1_000,
        rate=settings.INTEREST_RATE_PERCENT / 100,
        read_universe=lambda: run_in_thread(reader.read),
        read_calendar=lambda: run_in_thread(_read_calendar),
        connect=derived_board.connect_publisher,
        connect_straddles=straddle_board.connect_writer,
    )


def _read_calendar() -> SessionBook:
    return market_selectors.read_calendar(about=timezone.now().astimezone(IST).date())


class AnalyticsWorkerStep(LoopStep):
    """Starts and stops the analytics worker with the Celery worker."""

    queue = ANALYTICS_QUEUE

    async def run(self, stop: asyncio.Event) -> None:
        """Compute until `stop` is set."""
        await AnalyticsWorker(read_settings(), stop).run()
