"""Worker steps: the database deadline of feed workers, the watchdog and the heartbeats of work workers.

After a Redis outage a worker can be connected again and consume nothing, without an error (celery #8030, #9054,
#10205). So a work worker sends a probe task to itself, over the same broker connection, on a queue that only it
consumes. If no probe returns, the worker exits and its supervisor starts it again. Neither an unreachable broker nor a
worker with its full number of reserved tasks counts as a failure.
"""

import logging
import os
import threading
import time
from typing import Any, Final

from celery import Celery, bootsteps, signals
from celery.utils.nodenames import worker_direct
from celery.worker import state
from django.conf import settings
from kombu.exceptions import OperationalError

from subscriptions.feed.heartbeat import BEAT_SECONDS, HeartbeatSender
from terminal.celery import ANALYTICS_QUEUE, FEED_QUEUE
from terminal.postgres.base import set_default_deadline

logger = logging.getLogger(__name__)

# Chosen: longer than STATEMENT_TIMEOUT_MS (3 s), so that a healthy server ends a slow statement first. Each statement
# of a feed worker is repeated with its next beat, so giving one up loses nothing.
FEED_DEADLINE_MS: Final = 4_000
WORK_QUEUE: Final = "default"
PROBE: Final = "terminal.probe"
EXIT_NOT_CONSUMING: Final = 71  # EX_OSERR of sysexits.h: an operating system error, here a dead connection.
# Chosen: several probes per period, because one can be lost together with the broker.
PROBES_PER_PERIOD: Final = 5


# Workers have the type Any here: celery's stubs do not describe their attributes.
class FeedDatabaseDeadline(bootsteps.Step):
    """Give a feed worker a deadline for database answers, before its first connection."""

    def include_if(self, worker: Any) -> bool:
        """Take part where the feed queue is consumed."""
        return FEED_QUEUE in worker.app.amqp.queues.consume_from

    def create(self, _worker: Any) -> None:
        """Set the deadline; DATABASE_PATIENCE_MS overrides it."""
        set_default_deadline(FEED_DEADLINE_MS)


class ConsumerWatchdog(bootsteps.StartStopStep):
    """Ends a work worker that is connected and consumes nothing for SILENCE_SECONDS."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._stopped = threading.Event()
        self._received = threading.Event()
        self._queue = worker_direct(worker.hostname)
        if self.include_if(worker):
            worker.app.amqp.queues.select_add(self._queue)

    def include_if(self, worker: Any) -> bool:
        """Take part where the queue of periodic tasks is consumed."""
        return bool(settings.SILENCE_SECONDS) and WORK_QUEUE in worker.app.amqp.queues.consume_from

    def start(self, worker: Any) -> None:
        """Start the monitor thread."""
        signals.task_received.connect(self._record, weak=False)
        threading.Thread(target=self._monitor, args=[worker], name="consumer-watchdog", daemon=True).start()

    def stop(self, _worker: Any) -> None:
        """Stop monitoring: a worker that shuts down consumes nothing."""
        self._stopped.set()

    def terminate(self, worker: Any) -> None:
        """Stop monitoring."""
        self.stop(worker)

    def _record(self, request: Any, **_: Any) -> None:
        if request.name == PROBE:
            self._received.set()

    def _monitor(self, worker: Any) -> None:
        """Send probes until stopped; exit the process if none returns for SILENCE_SECONDS while they can be sent."""
        unanswered_since = None
        while not self._stopped.wait(settings.SILENCE_SECONDS / PROBES_PER_PERIOD):
            now = time.monotonic()
            if self._received.is_set() or _is_full(worker):
                unanswered_since = None
                self._received.clear()
            if not self._send(worker.app):
                unanswered_since = None
            elif unanswered_since is None:
                unanswered_since = now
            elif now - unanswered_since > settings.SILENCE_SECONDS:
                _exit()

    def _send(self, app: Celery) -> bool:
        """Send a probe; return whether the broker took it."""
        try:
            app.send_task(PROBE, queue=self._queue.name, expires=settings.SILENCE_SECONDS, retry=False)
        except (OperationalError, OSError) as error:
            logger.debug("broker unreachable, no probe sent: %s", error)
            return False
        return True


class WorkerHeartbeat(bootsteps.StartStopStep):
    """Sends heartbeats of a work worker to its supervisor. Feed and analytics workers send theirs from their loops.

    They show that the process is not frozen as a whole; whether it consumes is the matter of `ConsumerWatchdog`.
    """

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._stopped = threading.Event()

    def include_if(self, worker: Any) -> bool:
        """Take part in workers without an event loop, which must not look alive through this thread."""
        return not {FEED_QUEUE, ANALYTICS_QUEUE} & set(worker.app.amqp.queues.consume_from)

    def start(self, _worker: Any) -> None:
        """Start the thread that sends."""
        threading.Thread(target=self._send, name="heartbeats", daemon=True).start()

    def stop(self, _worker: Any) -> None:
        """Stop sending: the supervisor bounds the time of a shutdown by itself."""
        self._stopped.set()

    def terminate(self, worker: Any) -> None:
        """Stop sending."""
        self.stop(worker)

    def _send(self) -> None:
        with HeartbeatSender() as sender:
            sender.send()
            while not self._stopped.wait(BEAT_SECONDS):
                sender.send()


def _exit() -> None:
    """End this process at once; its pool children end with it."""
    # A warning: the supervisor starts the worker again, and /health reports tasks that wait.
    logger.warning("no probe task returned for %s s: the worker consumes nothing; exiting", settings.SILENCE_SECONDS)
    logging.shutdown()
    os._exit(EXIT_NOT_CONSUMING)


def _is_full(worker: Any) -> bool:
    """Return whether the worker has reserved as many tasks as it may: then it receives no probe, and is healthy."""
    limit = worker.consumer.qos.value if worker.consumer and worker.consumer.qos else 0
    return bool(limit) and len(state.reserved_requests) >= limit
