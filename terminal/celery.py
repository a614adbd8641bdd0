"""The Celery application: its queues and where its tasks are found.

Queue "feed" is served by feed workers, which own the broker's sockets and run no task over a second;
queue "default" by work workers. The periodic schedule lives in django-celery-beat rows.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "terminal.settings")

app = Celery("terminal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
