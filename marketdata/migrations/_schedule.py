"""Periodic tasks as rows of django-celery-beat, for the schedule migrations of all apps.

A row that exists under its name stays as it is, so that staff's changes survive. A run expires at its interval, so that
a queue that stood still does not repeat the runs it missed. Times are IST.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.apps.registry import Apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

QUEUE: Final = "default"
DAY_SECONDS: Final = 24 * 60 * 60
ANY_DAY: Final[Mapping[str, str]] = {
    "day_of_week": "*",
    "day_of_month": "*",
    "month_of_year": "*",
    "timezone": "Asia/Kolkata",
}

Seed = Callable[[Apps, BaseDatabaseSchemaEditor], None]


@dataclass(frozen=True, slots=True)
class Every:
    """A task that runs every so many seconds."""

    name: str
    task: str
    seconds: int
    description: str

    def timing(self, apps: Apps) -> dict[str, Any]:
        """Return the schedule fields of the row, with the interval row they refer to."""
        intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects
        wanted = {"every": self.seconds, "period": "seconds"}
        return {
            "interval": intervals.filter(**wanted).first() or intervals.create(**wanted),
            "expire_seconds": self.seconds,
        }


@dataclass(frozen=True, slots=True)
class At:
    """A task that runs at times of the day, in crontab notation."""

    name: str
    task: str
    hour: str
    minute: str
    description: str
    expire_seconds: int = DAY_SECONDS
    kwargs: str = "{}"

    def timing(self, apps: Apps) -> dict[str, Any]:
        """Return the schedule fields of the row, with the crontab row they refer to."""
        crontabs = apps.get_model("django_celery_beat", "CrontabSchedule").objects
        wanted = {"hour": self.hour, "minute": self.minute, **ANY_DAY}
        return {
            "crontab": crontabs.filter(**wanted).first() or crontabs.create(**wanted),
            "expire_seconds": self.expire_seconds,
            "kwargs": self.kwargs,
        }


def seeds(rows: Sequence[Every | At]) -> tuple[Seed, Seed]:
    """Return the two functions of a RunPython operation: add these rows, and remove them by name."""

    def add(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
        tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects
        for row in rows:
            fields = {"task": row.task, "queue": QUEUE, "description": row.description, **row.timing(apps)}
            tasks.get_or_create(name=row.name, defaults=fields)

    def remove(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
        names = [row.name for row in rows]
        apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name__in=names).delete()

    return add, remove
