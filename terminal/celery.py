"""The Celery application: its queues, its task modules, and the steps of its workers.

Feed workers serve queue "feed": they own the broker sockets and run no task longer than a second. Analytics workers
serve queue "analytics", on which no task is sent: they compute volatilities and Greeks. Work workers serve queue
"default"; those steps take no part in them. Beat reads the schedule from django-celery-beat rows.
"""

import os
from typing import Final

from celery import Celery

FEED_QUEUE: Final = "feed"
ANALYTICS_QUEUE: Final = "analytics"

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "terminal.settings")

app = Celery("terminal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# By name: the modules of the steps need Django's apps, which the worker loads before it imports them.
app.steps["worker"].add("terminal.worker_steps:FeedDatabaseDeadline")
app.steps["worker"].add("subscriptions.feed.bootstep:FeedWorkerStep")
app.steps["worker"].add("subscriptions.analytics.bootstep:AnalyticsWorkerStep")
app.steps["worker"].add("terminal.worker_steps:ConsumerWatchdog")
app.steps["worker"].add("terminal.worker_steps:WorkerHeartbeat")


@app.task(name="terminal.probe", ignore_result=True)
def probe() -> None:
    """Do nothing: its reception proves that the worker consumes (`ConsumerWatchdog`)."""
