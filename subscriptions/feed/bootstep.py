"""The Celery worker component that runs the feed worker as long as the Celery worker lives (`loop_step`).

It takes part only in workers that consume the queue "feed"; those run `--pool solo`, and no task on that queue takes
over a second.
"""

import asyncio
from typing import Final

from django.conf import settings
from django.utils import timezone

from marketdata import selectors, services
from subscriptions.domain.watchdog import Limits
from subscriptions.feed.connection.socket import KeepaliveTimeouts
from subscriptions.feed.ownership.processes import name_this_process
from subscriptions.feed.ownership.statements import connection_parameters
from subscriptions.feed.worker import FeedSettings, FeedWorker
from subscriptions.loop_step import LoopStep

FEED_QUEUE: Final = "feed"


def read_settings() -> FeedSettings:
    """Return the settings of this worker, under a unique name."""
    calendar = selectors.MarketCalendar()
    return FeedSettings(
        name=name_this_process(),
        limit=settings.FEED_CONNECTIONS,
        feed_url=settings.DHAN_FEED_URL,
        read_credentials=selectors.read_credentials,
        note_refusal=lambda used, why: services.note_refusal(credentials=used, reason=why, now=timezone.now()),
        database=connection_parameters(settings.DATABASES["default"]),
        # Milliseconds in the environment, seconds inside the feed.
        flush_seconds=settings.FLUSH_MS / 1_000,
        open_pause_seconds=settings.DHAN_OPEN_INTERVAL_MS / 1_000,
        message_pause_seconds=settings.DHAN_MESSAGE_INTERVAL_MS / 1_000,
        failover_grace_seconds=settings.FAILOVER_GRACE_S,
        is_streaming_expected=calendar.is_streaming_expected,
        refresh_sessions=lambda: calendar.refresh(now=timezone.now()),
        list_ended=lambda: calendar.list_ended(timezone.now()),
        read_closes=lambda ids: selectors.list_previous_closes(instrument_ids=ids, now=timezone.now()),
        limits=Limits(settings.MUTE_SECONDS, settings.MUTE_QUIET_SECONDS),
        keepalive=KeepaliveTimeouts(settings.PING_QUIET_MS / 1_000, settings.PING_ANSWER_MS / 1_000),
        cooldown_seconds=settings.QUIET_SECONDS,
        held_seconds=settings.HELD_SLOT_S,
        frozen_seconds=settings.FROZEN_OWNER_S,
    )


class FeedWorkerStep(LoopStep):
    """Starts and stops the feed worker with the Celery worker."""

    queue = FEED_QUEUE

    async def run(self, stop: asyncio.Event) -> None:
        """Own connections until `stop` is set."""
        await FeedWorker(read_settings(), stop).run()
