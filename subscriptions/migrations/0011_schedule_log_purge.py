"""The daily purge of the audit log, as a row that staff edit."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

NAME = "Drop old months of the audit log"
DAY_SECONDS = 24 * 60 * 60


def add(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor | None) -> None:
    crontabs = apps.get_model("django_celery_beat", "CrontabSchedule").objects
    times = {"hour": "0", "minute": "20", "timezone": "Asia/Kolkata"}
    anyday = {"day_of_week": "*", "day_of_month": "*", "month_of_year": "*"}
    crontab = crontabs.filter(**times, **anyday).first() or crontabs.create(**times, **anyday)
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name=NAME,
        defaults={
            "task": "subscriptions.tasks.drop_log_months",
            "crontab": crontab,
            "queue": "default",
            "expire_seconds": DAY_SECONDS,
            "description": "Whole months older than AUDIT_KEEP_DAYS.",
        },
    )


def remove(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0010_drop_log_months")]

    operations = [migrations.RunPython(add, remove)]
