"""A component of a Celery worker that runs an event loop in a thread of its own, as long as the worker lives.

A Celery task would be the wrong container: the broker redelivers it after the visibility timeout, and a pool's child
processes get no notice of a warm shutdown. A worker step starts and stops with the worker.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, ClassVar, Final

from celery import bootsteps
from celery.worker import WorkController

logger = logging.getLogger(__name__)

# Chosen: the feed worker's own limits sum to 4 s (`worker._RELEASE_SECONDS` twice).
STOP_SECONDS: Final = 5.0
# EX_SOFTWARE of sysexits.h: an internal error.
EXIT_BROKEN: Final = 70


class _LoopThread(threading.Thread):
    """A thread with the event loop of a component."""

    def __init__(self, name: str, run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        super().__init__(name=name, daemon=True)
        self._run = run
        self._loop = asyncio.new_event_loop()
        # Not `_stop`: that is a method of `Thread`, which `join` calls.
        self._stopping = asyncio.Event()

    def ask_to_stop(self) -> None:
        """Begin the warm shutdown; returns at once."""
        # Called from Celery's thread; the event belongs to the loop of this one.
        with suppress(RuntimeError):  # The loop is closed: it has stopped already.
            self._loop.call_soon_threadsafe(self._stopping.set)

    def run(self) -> None:
        """Run the component; after an unexpected error end the process, and the supervisor starts it again."""
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._main())
        except Exception:
            logger.exception("the %s worker failed; this process exits", self.name)
            logging.shutdown()
            # sys.exit would end this thread only, and the Celery worker would live on without its component.
            os._exit(EXIT_BROKEN)

    async def _main(self) -> None:
        await self._run(self._stopping)


class LoopStep(bootsteps.StartStopStep):
    """A component that takes part in workers that consume `queue`. A subclass defines `run`."""

    queue: ClassVar[str]

    # After the pool: by then the queues are known, and settings and apps are loaded.
    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: WorkController, **options: Any) -> None:
        super().__init__(worker, **options)
        self._thread: _LoopThread | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; an exception ends the process."""
        raise NotImplementedError

    def include_if(self, worker: WorkController) -> bool:
        return self.queue in worker.app.amqp.queues.consume_from

    def start(self, _worker: WorkController) -> None:
        self._thread = _LoopThread(self.queue, self.run)
        self._thread.start()

    def close(self, _worker: WorkController) -> None:
        """Begin to stop while the other components close."""
        if self._thread is not None:
            self._thread.ask_to_stop()

    def stop(self, worker: WorkController) -> None:
        """Wait until the component has stopped, at most STOP_SECONDS; the rest ends with the process."""
        if self._thread is not None:
            self.close(worker)
            self._thread.join(STOP_SECONDS)
            self._thread = None

    def terminate(self, worker: WorkController) -> None:
        """Stop on a cold shutdown too; it takes about a second."""
        self.stop(worker)
