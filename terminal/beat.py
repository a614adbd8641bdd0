"""The scheduler of beat: that of django-celery-beat, with heartbeats, where a last run in the future counts as none.

A clock that ran ahead and was put right leaves last runs in the future, and the library would start nothing until they
have passed. Every periodic task may run late or twice, so such a task runs at once.
"""

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from celery.schedules import schedstate
from celery.utils.time import maybe_make_aware
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from subscriptions.feed.heartbeat import HeartbeatSender

logger = logging.getLogger(__name__)

# As the library for a task with a start time: before any time of a schedule.
LONG_AGO: Final = timedelta(days=365 * 30)


class Entry(ModelEntry):  # type: ignore[misc]  # The library has no types.
    """One periodic task."""

    last_run_at: datetime

    def is_due(self) -> schedstate:
        """Return whether the task runs now, and the seconds until the next look."""
        # At each look, not only when the rows are read: the clock may be put right while beat runs.
        now = timezone.now()
        if maybe_make_aware(self.last_run_at) > now:
            logger.warning("last run of %r lies in the future (%s): it runs now", self.name, self.last_run_at)
            self.last_run_at = now - LONG_AGO
        due: schedstate = super().is_due()
        return due


class Scheduler(DatabaseScheduler):  # type: ignore[misc]  # The library has no types.
    """The periodic tasks in the database."""

    Entry = Entry

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._heartbeats = HeartbeatSender()

    def tick(self, *args: Any, **options: Any) -> float:
        """Start the due tasks, after a heartbeat; return the seconds to the next look, at most five."""
        self._heartbeats.send()
        seconds: float = super().tick(*args, **options)
        return seconds

    def enabled_models(self) -> list[PeriodicTask]:
        """Return the tasks of the hours around now, as the library does, and those whose last run lies ahead."""
        near: list[PeriodicTask] = super().enabled_models()
        ahead = self.Model.objects.enabled().filter(last_run_at__gt=timezone.now())
        return [*near, *ahead.exclude(pk__in=[one.pk for one in near])]
