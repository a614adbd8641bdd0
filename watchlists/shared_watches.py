"""The open watches of one process, resolved once for all browsers that show the same.

A watch is resolved again only for a reason:

1. A service published a change that touches it: a window, a claim, a subscription or the listing.
2. No claim holds the chain, so its window follows the price (`FOLLOW_SECONDS`).
3. Nothing happened for `REFRESH_SECONDS`: a change may have been lost, and what depends on the date changes unnoticed.

So browsers at rest cost no queries, however many show a chain. Each viewer compares the answer with its former one.
Views are noted together, too: they decide the order of eviction, and they keep the claims of open chains and
instruments. One that lost its view claim, at the end of the day or to make room, gets another when views are noted. All
state belongs to one event loop.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol

from channels.db import database_sync_to_async
from django.db import DatabaseError
from django.utils import timezone

from marketdata.domain.changes import Changes
from marketdata.domain.errors import DomainError
from marketdata.quote_board import BoardError
from marketdata.streaming.messages import MessageError, Watch, WatchWatchlist
from subscriptions import services as subscription_services
from subscriptions.services import View
from watchlists import watch_resolver
from watchlists.watch_resolver import ResolvedWatch, ViewKey

logger = logging.getLogger(__name__)

FOLLOW_SECONDS: Final = 5.0
"""Chosen: the window of a chain that no claim holds moves within seconds after the price has moved by a strike."""
REFRESH_SECONDS: Final = 60.0
"""Chosen: bounds how long a browser shows what a lost message would have changed, at one resolution a minute."""
NOTE_SECONDS: Final = 30.0
"""Required: one write per process and half a minute. Eviction compares ages of minutes. Less than VIEW_SECONDS."""
NOTE_AGAIN_SECONDS: Final = 5.0
"""Chosen: a short outage of PostgreSQL must not make the last view of an open chain older than VIEW_SECONDS."""
BEAT_SECONDS: Final = 0.5
"""Chosen: a fraction of FOLLOW_SECONDS."""
CONCURRENT: Final = 4
"""Chosen: a fifth of DATABASE_CONNECTIONS, so that a change of the whole listing leaves connections to requests."""

Outcome = ResolvedWatch | MessageError


class Viewer(Protocol):
    """One browser socket."""

    user_id: int | None

    def show(self, watch: Watch, outcome: Outcome) -> None:
        """Take the new meaning of an open watch; must not block."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a watch shows; a watchlist is that of its trader."""

    watch: Watch
    user_id: int | None


@dataclass(eq=False, slots=True)
class _Topic:
    """A subject with its viewers, and the newest answer."""

    subject: _Subject
    viewers: set[tuple[Viewer, Watch]] = field(default_factory=set)
    resolved: ResolvedWatch | None = None
    # Monotonic seconds: the beginning of the newest resolution, and of the newest one for a browser that opens it.
    began_at: float = field(default_factory=time.monotonic)
    opened_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_changed: bool = False
    is_being_read: bool = False
    # Whether it needs a view claim.
    is_unclaimed: bool = False
    # Whether the broker is being asked for the last prices of a chain.
    is_being_priced: bool = False

    @property
    def follows_price(self) -> bool:
        """Whether it changes without a service that would publish it."""
        return self.resolved is not None and self.resolved.follows_price

    @property
    def view_key(self) -> ViewKey | None:
        """What makes a view claim, once it has been resolved: the window of a chain, or an instrument."""
        return None if self.resolved is None else self.resolved.view_key


class SharedWatches:
    """Make one where the process starts, and pass it to the consumers; its task runs while a browser watches."""

    def __init__(
        self,
        *,
        follow_seconds: float = FOLLOW_SECONDS,
        refresh_seconds: float = REFRESH_SECONDS,
        note_seconds: float = NOTE_SECONDS,
    ) -> None:
        self.resolutions = 0
        self._follow_seconds = follow_seconds
        self._refresh_seconds = refresh_seconds
        self._note_seconds = note_seconds
        self._topics: dict[_Subject, _Topic] = {}
        # When the last browser of this process left a chain or an instrument: its claim ends VIEW_SECONDS later.
        self._left: dict[ViewKey, datetime] = {}
        self._changed: set[_Topic] = set()
        self._has_changed = asyncio.Event()
        self._gate = asyncio.Semaphore(CONCURRENT)
        self._runner: asyncio.Task[None] | None = None
        self._readings: set[asyncio.Task[None]] = set()

    async def open(self, viewer: Viewer, watch: Watch) -> ResolvedWatch:
        """Return the answer to a watch that a browser opens, and show it every later one until `close`.

        Raises MessageError; then the watch is open only if it was before.
        """
        arrived_at, subject = time.monotonic(), _subject(viewer, watch)
        topic = self._topics.setdefault(subject, _Topic(subject))
        was_open = (viewer, watch) in topic.viewers
        topic.viewers.add((viewer, watch))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run(), name="shared watches")
        try:
            async with topic.lock:
                # Browsers that opened it while another one's resolution waited for the lock share that one.
                if topic.resolved is not None and topic.opened_at >= arrived_at:
                    return topic.resolved
                began_at = time.monotonic()
                resolved = await self._resolve(topic, user_id=viewer.user_id, is_opening=True)
                topic.opened_at = began_at
                return resolved
        except BaseException:
            if not was_open:
                self.close(viewer, watch)
            raise

    def close(self, viewer: Viewer, watch: Watch) -> None:
        """End a watch; no effect if it is not open."""
        topic = self._topics.get(_subject(viewer, watch))
        if topic is None:
            return
        topic.viewers.discard((viewer, watch))
        if not topic.viewers:
            del self._topics[topic.subject]
            if topic.view_key is not None:
                self._left[topic.view_key] = timezone.now()

    def note(self, changes: Changes) -> None:
        """Read again what these changes touch."""
        for topic in self._topics.values():
            # While it is being resolved for the first time, anything may concern it.
            if topic.resolved is None or changes.touches(
                series=topic.resolved.series, instruments=topic.resolved.instrument_ids
            ):
                self._changed.add(topic)
        self._has_changed.set()

    def note_list(self, user_id: int) -> None:
        """Read again the list of this user, which may show other instruments than those that it touched before."""
        self._changed.update(topic for topic in self._topics.values() if topic.subject.user_id == user_id)
        self._has_changed.set()

    async def _run(self) -> None:
        """Have read what changed or is due, and note views, while there are viewers."""
        due_at = time.monotonic() + self._note_seconds
        # No `await` between the condition and the end: a watch that is opened then starts another task.
        while self._topics or self._left:
            try:
                async with asyncio.timeout(min(BEAT_SECONDS, self._follow_seconds)):
                    await self._has_changed.wait()
            except TimeoutError:
                self._changed.update(topic for topic in self._topics.values() if self._is_due(topic))
            self._has_changed.clear()
            changed, self._changed = self._changed, set()
            for topic in changed:
                # A separate task each: one that waits for the broker must not delay the others.
                topic.is_changed = True
                if not topic.is_being_read:
                    topic.is_being_read = True
                    self._start(self._read_again(topic), name="open watch")
            # This task ends with the last browser, so the time at which that one left is noted at once.
            is_last = bool(self._left) and not self._topics
            if time.monotonic() >= due_at or is_last:
                is_noted = await self._note_views()
                pause = self._note_seconds if is_noted else min(self._note_seconds, NOTE_AGAIN_SECONDS)
                due_at = time.monotonic() + pause

    def _is_due(self, topic: _Topic) -> bool:
        """Return whether a topic must be read again without a change."""
        limit = self._follow_seconds if topic.follows_price else self._refresh_seconds
        return time.monotonic() - topic.began_at >= limit

    async def aclose(self) -> None:
        """Cancel the tasks and wait for their end."""
        tasks = self._readings if self._runner is None else self._readings | {self._runner}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_again(self, topic: _Topic) -> None:
        """Read a topic until nothing changed meanwhile; its viewers may leave at any time."""
        # No `await` between the condition and the end: a change that is noted then starts another task.
        while topic.is_changed and topic.viewers:
            topic.is_changed = False
            async with topic.lock, self._gate:
                before, is_unclaimed, topic.is_unclaimed = topic.view_key, topic.is_unclaimed, False
                try:
                    await self._resolve(
                        topic, user_id=topic.subject.user_id, is_opening=False, is_unclaimed=is_unclaimed
                    )
                    # Another window: the nearest expiry is over, or the contracts have another name.
                    if before not in {None, topic.view_key}:
                        topic.is_unclaimed = topic.is_changed = True
                except MessageError as error:
                    _show(topic, error)
                except Exception:  # The outermost loop of a topic: a bug with one must not end its updates.
                    logger.exception("open watch not read; again within %.0f s", self._refresh_seconds)
        topic.is_being_read = False

    async def _resolve(
        self, topic: _Topic, *, user_id: int | None, is_opening: bool, is_unclaimed: bool = False
    ) -> ResolvedWatch:
        """Resolve in a thread, because that reads the database; show the answer if it is new. Raises MessageError."""
        topic.began_at = time.monotonic()
        self.resolutions += 1
        resolve = partial(
            watch_resolver.resolve_watch,
            watch=topic.subject.watch,
            user_id=user_id,
            is_opening=is_opening,
            is_unclaimed=is_unclaimed,
            now=timezone.now(),
        )
        try:
            resolved = await database_sync_to_async(resolve, thread_sensitive=False)()
        except DomainError as error:
            raise MessageError(error.code, str(error)) from error
        except (DatabaseError, BoardError) as error:
            logger.warning("watch not resolved: %s", error)
            raise MessageError("unavailable", "The server cannot answer this watch now.") from error
        if resolved != topic.resolved:
            topic.resolved = resolved
            _show(topic, resolved)
        if resolved.lacks_prices and not topic.is_being_priced:
            self._start(self._request_prices(topic), name="broker prices")
        return resolved

    async def _request_prices(self, topic: _Topic) -> None:
        """Have the broker asked for the last prices of a chain, and the topic read again if it gives new ones."""
        series = topic.resolved.series if topic.resolved else None
        if series is None:
            return
        topic.is_being_priced = True
        request = partial(watch_resolver.request_broker_prices, series=series, now=timezone.now())
        try:
            is_new = await database_sync_to_async(request, thread_sensitive=False)()
        except (DomainError, DatabaseError, BoardError) as error:
            logger.warning("last prices of %s not requested: %s", series, error)
            return
        finally:
            topic.is_being_priced = False
        if is_new:
            self._changed.add(topic)
            self._has_changed.set()

    def _start(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._readings.add(task)
        task.add_done_callback(self._readings.discard)

    async def _note_views(self) -> bool:
        """Note the views of all browsers together; have what needs a view claim read again, to claim it.

        Return whether that succeeded. After a failure the times at which browsers left are lost: the claims of what
        they showed end up to half a minute early.
        """
        views = [
            View(viewer.user_id, resolved.series, () if resolved.series else resolved.instrument_ids)
            for topic in self._topics.values()
            if (resolved := topic.resolved) is not None
            for viewer, _ in topic.viewers
            if viewer.user_id is not None
        ]
        now, left = timezone.now(), self._left
        self._left = {}
        opened = {key: now for topic in self._topics.values() if (key := topic.view_key) is not None}
        note = partial(_note, list(dict.fromkeys(views)), left | opened, now=now)
        try:
            unclaimed = await database_sync_to_async(note, thread_sensitive=False)()
        except DatabaseError as error:
            logger.warning("views not noted (%s); again in %.0f s", type(error).__name__, NOTE_AGAIN_SECONDS)
            return False
        except Exception:  # The outermost loop: watches must be read again, whatever is wrong with a view.
            logger.exception("views not noted; again in %.0f s", NOTE_AGAIN_SECONDS)
            return False
        for topic in self._topics.values():
            if topic.view_key in unclaimed:
                topic.is_unclaimed = True
                self._changed.add(topic)
                self._has_changed.set()
        return True


def _note(views: list[View], viewed: dict[ViewKey, datetime], *, now: datetime) -> Set[ViewKey]:
    """Write views of users, and the last views of windows and instruments; return those that need a view claim."""
    subscription_services.note_views(views, every=timedelta(0), now=now)
    windows = {key: at for key, at in viewed.items() if not isinstance(key, int)}
    instruments = {key: at for key, at in viewed.items() if isinstance(key, int)}
    return {*subscription_services.note_windows(windows), *subscription_services.note_instruments(instruments)}


def _subject(viewer: Viewer, watch: Watch) -> _Subject:
    return _Subject(replace(watch, watch_id=""), viewer.user_id if isinstance(watch, WatchWatchlist) else None)


def _show(topic: _Topic, outcome: Outcome) -> None:
    for viewer, watch in list(topic.viewers):
        viewer.show(watch, outcome)
