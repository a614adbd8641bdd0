"""A work worker notices that it is connected and consumes nothing, and ends.

After Redis has been away a worker may be connected again and consume nothing, for ever, without an error
(celery #8030, #9054, #10205). So a work worker sends itself a task through the broker, by a queue that only it
consumes and on the very connection that serves the others, and ends when that does not come back: whoever started it
starts it again. A broker that cannot be reached is no reason to end, and neither is a worker that has taken as many
tasks as it may hold.
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

logger = logging.getLogger(__name__)

WORK_QUEUE: Final = "default"
PROBE: Final = "terminal.probe"
EXIT_NOT_CONSUMING: Final = 71


# Workers are of no type here: the stubs know little of what a worker has.
class ConsumerWatchdog(bootsteps.StartStopStep):
    """Ends a work worker that is connected and consumes nothing."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._stopped = threading.Event()
        self._received = threading.Event()
        self._queue = worker_direct(worker.hostname)
        if self.include_if(worker):
            worker.app.amqp.queues.select_add(self._queue)

    def include_if(self, worker: Any) -> bool:
        """Take part only where the queue of periodic work is consumed."""
        return bool(settings.SILENCE_SECONDS) and WORK_QUEUE in worker.app.amqp.queues.consume_from

    def start(self, worker: Any) -> None:
        """Begin to listen to oneself."""
        signals.task_received.connect(self._record, weak=False)
        threading.Thread(target=self._monitor, args=[worker], name="consumer-watchdog", daemon=True).start()

    def stop(self, _worker: Any) -> None:
        """A worker that closes may be silent."""
        self._stopped.set()

    def terminate(self, worker: Any) -> None:
        """Stop listening too."""
        self.stop(worker)

    def _record(self, request: Any, **_: Any) -> None:
        if request.name == PROBE:
            self._received.set()

    def _monitor(self, worker: Any) -> None:
        """Send and listen until told to stop; messages are lost with a broker, so there is always another one."""
        unanswered_since = None
        while not self._stopped.wait(settings.SILENCE_SECONDS / 5):
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
        """Send oneself a task; whether that went out."""
        try:
            app.send_task(PROBE, queue=self._queue.name, expires=settings.SILENCE_SECONDS, retry=False)
        except (OperationalError, OSError) as error:
            logger.debug("the broker is away: %s", error)
            return False
        return True


def _exit() -> None:
    """End this process and, since they die with it, its children."""
    logger.error("nothing has come through the broker for %s s; this worker ends", settings.SILENCE_SECONDS)
    logging.shutdown()
    os._exit(EXIT_NOT_CONSUMING)


def _is_full(worker: Any) -> bool:
    """Return whether the worker holds as many tasks as it may: no more come then, and nothing is wrong."""
    limit = worker.consumer.qos.value if worker.consumer and worker.consumer.qos else 0
    return bool(limit) and len(state.reserved_requests) >= limit
