"""The Celery worker component that runs the feed worker as long as the Celery worker lives.

A Celery task would be the wrong container: the broker redelivers it after the visibility timeout, and a pool's child
processes get no notice of a warm shutdown. A worker step starts and stops with the worker. It takes part only in
workers that consume the queue "feed"; those run `--pool solo`, and no task on that queue takes over a second.
"""

import asyncio
import logging
import os
import threading
from contextlib import suppress
from typing import Any, Final

from celery import bootsteps
from celery.worker import WorkController
from django.conf import settings
from django.utils import timezone

from marketdata import selectors, services
from subscriptions.domain.watchdog import Limits
from subscriptions.feed.connection.socket import KeepaliveTimeouts
from subscriptions.feed.ownership.processes import name_this_process
from subscriptions.feed.ownership.statements import connection_parameters
from subscriptions.feed.worker import FeedSettings, FeedWorker

logger = logging.getLogger(__name__)

FEED_QUEUE: Final = "feed"
# Chosen: the feed worker's own limits sum to 4 s (`worker._RELEASE_SECONDS` twice).
STOP_SECONDS: Final = 5.0
# EX_SOFTWARE of sysexits.h: an internal error.
EXIT_BROKEN: Final = 70


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


class _WorkerThread(threading.Thread):
    """A thread with the event loop of the feed worker."""

    def __init__(self) -> None:
        super().__init__(name="feed", daemon=True)
        self._loop = asyncio.new_event_loop()
        # Not `_stop`: that is a method of `Thread`, which `join` calls.
        self._stopping = asyncio.Event()

    def ask_to_stop(self) -> None:
        """Begin the warm shutdown; returns at once."""
        # Called from Celery's thread; the event belongs to the loop of this one.
        with suppress(RuntimeError):  # The loop is closed: it has stopped already.
            self._loop.call_soon_threadsafe(self._stopping.set)

    def run(self) -> None:
        """Run the feed worker; after an unexpected error end the process, and the supervisor starts it again."""
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(FeedWorker(read_settings(), self._stopping).run())
        except Exception:
            logger.exception("the feed worker failed; this process exits")
            logging.shutdown()
            # sys.exit would end this thread only, and the Celery worker would live on without a feed.
            os._exit(EXIT_BROKEN)


class FeedWorkerStep(bootsteps.StartStopStep):
    """Starts and stops the feed worker with the Celery worker."""

    # After the pool: by then the queues are known, and settings and apps are loaded.
    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: WorkController, **options: Any) -> None:
        super().__init__(worker, **options)
        self._thread: _WorkerThread | None = None

    def include_if(self, worker: WorkController) -> bool:
        return FEED_QUEUE in worker.app.amqp.queues.consume_from

    def start(self, _worker: WorkController) -> None:
        self._thread = _WorkerThread()
        self._thread.start()

    def close(self, _worker: WorkController) -> None:
        """Begin to release all connections while the other components close."""
        if self._thread is not None:
            self._thread.ask_to_stop()

    def stop(self, worker: WorkController) -> None:
        """Wait until all connections are released, at most `STOP_SECONDS`; the rest ends with the process."""
        if self._thread is not None:
            self.close(worker)
            self._thread.join(STOP_SECONDS)
            self._thread = None

    def terminate(self, worker: WorkController) -> None:
        """Release all connections on a cold shutdown too; it takes about a second."""
        self.stop(worker)
