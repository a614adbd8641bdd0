"""Recentring every ten seconds, as a row that staff edit."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

NAME = "Recentre live chains"
SECONDS = 10


def add(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor | None) -> None:
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects
    schedule = {"every": SECONDS, "period": "seconds"}
    interval = intervals.filter(**schedule).first() or intervals.create(**schedule)
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name=NAME,
        defaults={
            "task": "subscriptions.tasks.recentre",
            "interval": interval,
            "queue": "default",
            "expire_seconds": SECONDS,
            "description": "Two queries and one read of prices when nothing moved.",
        },
    )


def remove(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0011_schedule_log_purge")]

    operations = [migrations.RunPython(add, remove)]
