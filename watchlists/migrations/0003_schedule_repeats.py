"""What failed of the watchlists' day is tried again: its end every five minutes, kept entries until the market opens.

Rows that staff have changed stay as they are.
"""

from typing import Any, NamedTuple

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

ANY_DAY = {"day_of_week": "*", "day_of_month": "*", "month_of_year": "*", "timezone": "Asia/Kolkata"}
CLOSE = "Close segments"
CLOSE_BEFORE = {"hour": "15-23", "minute": "*/5"}
CLOSE_NOW = {"hour": "*", "minute": "*/5"}
WHAT_BEFORE = "Only where EOD_SCOPE=closed_segments."
WHAT_NOW = "Every end of the day that is past and was not run."
RESTORE_EXPIRES = 300


class Row(NamedTuple):
    name: str
    hour: str
    minute: str
    kwargs: str
    description: str


RESTORES = [
    Row("Bring back kept entries, until 8:55", "8", "50,55", "{}", "What was refused at 8:45."),
    Row("Bring back kept entries, until 9:10", "9", "0,5,10", "{}", "What was refused until then."),
    Row("Bring back kept entries, last", "9", "15", '{"is_last": true}', "Tells traders what does not come back."),
]


def add(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor | None) -> None:
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects
    tasks.filter(name=CLOSE, **_at(CLOSE_BEFORE)).update(crontab=_crontab(apps, CLOSE_NOW), description=WHAT_NOW)
    for row in RESTORES:
        tasks.get_or_create(
            name=row.name,
            defaults={
                "task": "watchlists.tasks.restore_kept",
                "crontab": _crontab(apps, {"hour": row.hour, "minute": row.minute}),
                "kwargs": row.kwargs,
                "queue": "default",
                "expire_seconds": RESTORE_EXPIRES,
                "description": row.description,
            },
        )


def remove(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects
    tasks.filter(name__in=[row.name for row in RESTORES]).delete()
    tasks.filter(name=CLOSE, **_at(CLOSE_NOW)).update(crontab=_crontab(apps, CLOSE_BEFORE), description=WHAT_BEFORE)


def _at(times: dict[str, str]) -> dict[str, str]:
    return {f"crontab__{field}": value for field, value in times.items()}


def _crontab(apps: Apps, times: dict[str, str]) -> Any:
    crontabs = apps.get_model("django_celery_beat", "CrontabSchedule").objects
    return crontabs.filter(**times, **ANY_DAY).first() or crontabs.create(**times, **ANY_DAY)


class Migration(migrations.Migration):
    dependencies = [("watchlists", "0002_schedule")]

    operations = [migrations.RunPython(add, remove)]
