"""The look after the access token, as a row that staff edit."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

NAME = "Renew the broker's access token"
SECONDS = 10


def add(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor | None) -> None:
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects
    schedule = {"every": SECONDS, "period": "seconds"}
    interval = intervals.filter(**schedule).first() or intervals.create(**schedule)
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name=NAME,
        defaults={
            "task": "marketdata.tasks.renew_broker_token",
            "interval": interval,
            "queue": "default",
            "expire_seconds": SECONDS,
            "description": "Cheap while nothing is due; a refused token is noticed by this.",
        },
    )


def remove(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("marketdata", "0003_broker_sessions"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(add, remove)]
