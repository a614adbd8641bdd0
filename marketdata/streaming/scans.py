"""The scan relay: one per web process; passes the scans of the analytics worker on to the browsers that show them.

While a browser shows a scan, the relay tells the worker each second which ones are wanted, and listens to the results.
All viewers of a scan get the same text; a viewer holds at most the newest one. A scan without a result for
STALE_SECONDS is reported as stopped, once, so that nothing old reads as live. Epochs fence a former worker, until its
successor has been silent for as long.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Protocol

import orjson

from marketdata import derived_board
from marketdata.derived_board import STALE_SECONDS, DerivedSubscriber, ScanResult
from marketdata.domain.analytics.rankings import Scan
from marketdata.domain.quote_rows import FrameError
from marketdata.quote_board import BoardError
from marketdata.streaming.messages import stopped_message
from marketdata.streaming.tasks import run_until_first_ends

logger = logging.getLogger(__name__)

WANT_EVERY_SECONDS: Final = 1.0  # Chosen: as often as the worker computes; a third of the life of a wish.
BEAT_SECONDS: Final = 0.2  # Chosen: that of the hub; browsers learn of a stopped worker that much late.
RETRY_SECONDS: Final = 0.5  # Chosen: after a loss of Redis scans go on within a second; jitter spreads the processes.


class ScanViewer(Protocol):
    """One browser socket."""

    def show_scan(self, scan: Scan, text: str) -> None:
        """Take the newest message of a scan; must not block."""


@dataclass(slots=True)
class _Topic:
    """A scan that is shown, its viewers, and its newest result."""

    viewers: set[ScanViewer]
    changed_at: float
    """Of the newest result; before the first one, of the watch."""
    text: str | None = None
    is_stopped: bool = False


class ScanRelay:
    """Make one where the process starts, and pass it to the consumers; its tasks run while a browser shows a scan."""

    def __init__(
        self,
        *,
        connect: Callable[[], DerivedSubscriber] = derived_board.connect_subscriber,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._topics: dict[Scan, _Topic] = {}
        self._epoch = 0
        self._received_at = 0.0
        self._is_wanted_changed = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None

    def watch(self, viewer: ScanViewer, scans: Collection[Scan]) -> None:
        """Replace the scans that `viewer` shows; none ends them all. A fresh result is shown at once."""
        for scan in [one for one, topic in self._topics.items() if viewer in topic.viewers and one not in scans]:
            self._topics[scan].viewers.discard(viewer)
            if not self._topics[scan].viewers:
                del self._topics[scan]
        for scan in scans:
            topic = self._topics.get(scan)
            if topic is None:
                topic = self._topics[scan] = _Topic(set(), self._clock())
                self._is_wanted_changed.set()
            if viewer not in topic.viewers:
                topic.viewers.add(viewer)
                if topic.text is not None:
                    viewer.show_scan(scan, topic.text)
        if self._topics and (self._runner is None or self._runner.done()):
            self._runner = asyncio.create_task(self._run(), name="scan relay")

    async def aclose(self) -> None:
        """Cancel the task and wait for its end."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)

    async def _run(self) -> None:
        """Relay while a scan is shown: the outermost loop of the relay."""
        while self._topics:
            board = self._connect()
            try:
                await self._relay(board)
            except Exception:  # The outermost loop: after a bug, rankings must neither freeze nor read as live.
                logger.exception("scan relay failed; restarting it in %s s", RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                await board.aclose()

    async def _relay(self, board: DerivedSubscriber) -> None:
        """Return when no scan is shown any more."""
        # Only `_beat` ends normally. Any other end is an exception.
        await run_until_first_ends([self._beat(), self._want(board), self._listen(board)])

    async def _beat(self) -> None:
        """Report the scans that are not computed any more."""
        while self._topics:
            now = self._clock()
            if now - self._received_at > STALE_SECONDS:
                self._epoch = 0
            for scan, topic in list(self._topics.items()):
                if not topic.is_stopped and now - topic.changed_at > STALE_SECONDS:
                    topic.is_stopped = True
                    _show(scan, topic, orjson.dumps(stopped_message(scan)).decode())
            await asyncio.sleep(BEAT_SECONDS)

    async def _want(self, board: DerivedSubscriber) -> None:
        """Tell the worker the wanted scans, each second and when there is another one."""
        while True:
            self._is_wanted_changed.clear()
            try:
                await board.want_scans(list(self._topics))
            except (BoardError, OSError) as error:
                logger.debug("wanted scans not written (%s)", type(error).__name__)
                # Not at once for each browser that opens one.
                await asyncio.sleep(RETRY_SECONDS)
            try:
                async with asyncio.timeout(WANT_EVERY_SECONDS):
                    await self._is_wanted_changed.wait()
            except TimeoutError:
                continue

    async def _listen(self, board: DerivedSubscriber) -> None:
        while True:
            try:
                async with board.scans() as results:
                    async for result in results:
                        self._take(result)
            except (BoardError, OSError, FrameError) as error:
                logger.debug("scans not readable (%s); subscribing again", error)
            await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311  jitter is no secret

    def _take(self, result: ScanResult) -> None:
        """Show a result to the viewers of its scan, unless a former worker computed it."""
        if result.epoch < self._epoch:
            return
        self._epoch, self._received_at = result.epoch, self._clock()
        topic = self._topics.get(result.scan)
        if topic is not None:
            topic.changed_at, topic.is_stopped = self._received_at, False
            _show(result.scan, topic, result.message.decode())


def _show(scan: Scan, topic: _Topic, text: str) -> None:
    topic.text = text
    for viewer in topic.viewers:
        viewer.show_scan(scan, text)
