"""The periodic tasks of the day, in IST, as rows that staff edit.

A task that stands under its name is left as it is, whatever staff made of it. Each run expires when the next one
is due, so that a queue that stood still does not work off yesterday.
"""

from typing import NamedTuple

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

QUEUE = "default"
ZONE = "Asia/Kolkata"
DAY_SECONDS = 24 * 60 * 60


class Every(NamedTuple):
    name: str
    task: str
    seconds: int
    description: str


class Daily(NamedTuple):
    name: str
    task: str
    hour: int
    minute: int
    description: str


EVERY = [
    Every("Preload tier B", "subscriptions.tasks.preload_tier_b", 10, "Idempotent; cheap when nothing is missing."),
]
DAILY = [
    Daily("Make months of the audit log", "subscriptions.tasks.make_log_months", 0, 10, "Partitions, some ahead."),
    Daily("Import instruments", "marketdata.tasks.import_instruments", 8, 0, "The broker's instrument file."),
    Daily("End of day", "watchlists.tasks.end_of_day", 15, 30, "Releases tier A and clears the watchlists."),
]


def add(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor | None) -> None:
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects
    crontabs = apps.get_model("django_celery_beat", "CrontabSchedule").objects
    for row in EVERY:
        schedule = {"every": row.seconds, "period": "seconds"}
        interval = intervals.filter(**schedule).first() or intervals.create(**schedule)
        tasks.get_or_create(
            name=row.name,
            defaults={
                "task": row.task,
                "interval": interval,
                "queue": QUEUE,
                "expire_seconds": row.seconds,
                "description": row.description,
            },
        )
    for line in DAILY:
        times = {"hour": str(line.hour), "minute": str(line.minute), "timezone": ZONE}
        anyday = {"day_of_week": "*", "day_of_month": "*", "month_of_year": "*"}
        crontab = crontabs.filter(**times, **anyday).first() or crontabs.create(**times, **anyday)
        tasks.get_or_create(
            name=line.name,
            defaults={
                "task": line.task,
                "crontab": crontab,
                "queue": QUEUE,
                "expire_seconds": DAY_SECONDS,
                "description": line.description,
            },
        )


def remove(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    names = [row.name for row in EVERY] + [line.name for line in DAILY]
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name__in=names).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0005_lean_rules"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(add, remove)]
