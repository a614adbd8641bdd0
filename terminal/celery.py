"""The Celery application: its queues, where its tasks are found, and the step that makes a feed worker.

Queue "feed" is served by feed workers, which own the broker's sockets and run no task over a second;
queue "default" by work workers, in which that step takes no part. The periodic schedule lives in
django-celery-beat rows.
"""

import os
from typing import Any, Final

from celery import Celery, signals
from django.conf import settings

FEED_QUEUE: Final = "feed"
FEED_PATIENCE_MS: Final = 4_000

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "terminal.settings")

app = Celery("terminal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# By name: the step may be imported only once Django is set up, which the worker sees to.
app.steps["worker"].add("subscriptions.feed.bootstep:FeedWorkerStep")
app.steps["worker"].add("terminal.worker_steps:ConsumerWatchdog")


@app.task(name="terminal.probe", ignore_result=True)
def probe() -> None:
    """Come through the broker, for a worker that listens to itself."""


@signals.celeryd_init.connect
def bound_feed_worker(options: dict[str, Any], **_: Any) -> None:
    """Let a feed worker give the database up in time: what it reads and writes is tried again with its next beat."""
    queues = options.get("queues") or ()
    names = queues.split(",") if isinstance(queues, str) else queues
    if FEED_QUEUE in names and not settings.DATABASE_PATIENCE_MS:
        settings.DATABASE_PATIENCE_MS = FEED_PATIENCE_MS
