"""The watchlists' part of the day, in IST, as rows that staff edit."""

from typing import NamedTuple

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

DAY_SECONDS = 24 * 60 * 60


class Row(NamedTuple):
    name: str
    task: str
    hour: str
    minute: str
    expires: int
    description: str


ROWS = [
    Row("Release expired contracts", "release_expired", "8", "10", DAY_SECONDS, "After the import of the morning."),
    Row("Bring back kept entries", "restore_kept", "8", "45", DAY_SECONDS, "Those without a claim."),
    Row("Close segments", "close_segments", "15-23", "*/5", 300, "Only where EOD_SCOPE=closed_segments."),
]


def add(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor | None) -> None:
    crontabs = apps.get_model("django_celery_beat", "CrontabSchedule").objects
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects
    for row in ROWS:
        times = {"hour": row.hour, "minute": row.minute, "timezone": "Asia/Kolkata"}
        anyday = {"day_of_week": "*", "day_of_month": "*", "month_of_year": "*"}
        tasks.get_or_create(
            name=row.name,
            defaults={
                "task": f"watchlists.tasks.{row.task}",
                "crontab": crontabs.filter(**times, **anyday).first() or crontabs.create(**times, **anyday),
                "queue": "default",
                "expire_seconds": row.expires,
                "description": row.description,
            },
        )


def remove(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    names = [row.name for row in ROWS]
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name__in=names).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("watchlists", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(add, remove)]
