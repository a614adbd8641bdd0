"""The Celery worker component that holds connections while the worker lives.

A socket must live exactly as long as its owner; a task would be delivered again after the visibility timeout,
and a pool's children are not told of a warm shutdown. A worker step starts and stops with the worker. It takes
part only in workers that consume the queue "feed"; those run `--pool solo` and no task over a second.
"""

import asyncio
import logging
import os
import threading
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from celery import bootsteps
from celery.worker import WorkController
from django.conf import settings
from django.utils import timezone

from marketdata import selectors, services
from marketdata.dhan.credentials import Credentials
from marketdata.domain.instruments import ExchangeSegment
from subscriptions.domain.watchdog import Limits
from subscriptions.feed.connection.socket import KeepaliveTimeouts
from subscriptions.feed.ownership.processes import name_this_process
from subscriptions.feed.ownership.statements import connection_parameters
from subscriptions.feed.worker import FeedSettings, FeedWorker

logger = logging.getLogger(__name__)

FEED_QUEUE: Final = "feed"
STOP_SECONDS: Final = 5.0
EXIT_BROKEN: Final = 70


def is_streaming_expected(segment: ExchangeSegment, at: datetime) -> bool:
    """Whether packets of a segment are due, by the calendar as it was read last."""
    return selectors.is_streaming_expected(segment=segment, at=at)


def note_refusal(refused: Credentials, reason: str) -> None:
    """Note that the broker refuses these credentials."""
    services.note_refusal(credentials=refused, reason=reason, now=timezone.now())


def refresh_sessions() -> None:
    """Read the calendar anew, for those on the loop."""
    selectors.refresh_sessions(now=timezone.now())


def read_settings() -> FeedSettings:
    """Return how this worker holds connections, under a name nobody else has."""
    return FeedSettings(
        name=name_this_process(),
        limit=settings.FEED_CONNECTIONS,
        feed_url=settings.DHAN_FEED_URL,
        read_credentials=selectors.read_credentials,
        note_refusal=note_refusal,
        database=connection_parameters(settings.DATABASES["default"]),
        flush_seconds=settings.FLUSH_MS / 1_000,
        open_pause_seconds=settings.DHAN_OPEN_INTERVAL_MS / 1_000,
        message_pause_seconds=settings.DHAN_MESSAGE_INTERVAL_MS / 1_000,
        failover_grace_seconds=settings.FAILOVER_GRACE_S,
        is_streaming_expected=is_streaming_expected,
        refresh_sessions=refresh_sessions,
        limits=Limits(settings.MUTE_SECONDS, settings.MUTE_QUIET_SECONDS),
        keepalive=KeepaliveTimeouts(settings.PING_QUIET_MS / 1_000, settings.PING_ANSWER_MS / 1_000),
        cooldown_seconds=settings.QUIET_SECONDS,
        frozen_seconds=settings.FROZEN_OWNER_S,
    )


class _WorkerThread(threading.Thread):
    """One event loop with the holder on it."""

    def __init__(self) -> None:
        super().__init__(name="feed", daemon=True)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()

    def ask_to_stop(self) -> None:
        """Begin the warm shutdown; returns at once."""
        with suppress(RuntimeError):  # The loop is closed: it has stopped already.
            self._loop.call_soon_threadsafe(self._stop.set)

    def run(self) -> None:
        """Hold connections; a holder that dies takes the worker with it, for the supervisor to start anew."""
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(FeedWorker(read_settings(), self._stop).run())
        except Exception:
            logger.exception("the connection holder broke; this worker ends")
            logging.shutdown()
            os._exit(EXIT_BROKEN)


class FeedWorkerStep(bootsteps.StartStopStep):
    """Starts the holder with the worker and stops it with the worker."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: WorkController, **options: Any) -> None:
        super().__init__(worker, **options)
        self._thread: _WorkerThread | None = None

    def include_if(self, worker: WorkController) -> bool:
        """Take part only where the queue of feed workers is consumed."""
        return FEED_QUEUE in worker.app.amqp.queues.consume_from

    def start(self, _worker: WorkController) -> None:
        """Begin to hold connections."""
        self._thread = _WorkerThread()
        self._thread.start()

    def close(self, _worker: WorkController) -> None:
        """Begin to give everything up, while the worker's other parts close too."""
        if self._thread is not None:
            self._thread.ask_to_stop()

    def stop(self, worker: WorkController) -> None:
        """Wait until everything is given up, but not for ever: what is left ends with the process."""
        if self._thread is not None:
            self.close(worker)
            self._thread.join(STOP_SECONDS)
            self._thread = None

    def terminate(self, worker: WorkController) -> None:
        """Give everything up on a cold shutdown too: it costs a second at most."""
        self.stop(worker)
