"""The Celery application: its queues, where its tasks are found, and the step that makes a feed worker.

Queue "feed" is served by feed workers, which own the broker's sockets and run no task over a second;
queue "default" by work workers, in which that step takes no part. The periodic schedule lives in
django-celery-beat rows.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "terminal.settings")

app = Celery("terminal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# By name: the step may be imported only once Django is set up, which the worker sees to.
app.steps["worker"].add("subscriptions.feed.bootstep:ConnectionHolder")
