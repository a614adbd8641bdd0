"""The five connections that the account may hold, each with its lease."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.utils import timezone

NUMBERS = (1, 2, 3, 4, 5)


def add(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor | None) -> None:
    now = timezone.now()
    connections = apps.get_model("subscriptions", "FeedConnection")
    leases = apps.get_model("subscriptions", "FeedLease")
    connections.objects.bulk_create(
        [connections(number=number, since=now) for number in NUMBERS], ignore_conflicts=True
    )
    leases.objects.bulk_create([leases(connection_id=number) for number in NUMBERS], ignore_conflicts=True)


def remove(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("subscriptions", "FeedLease").objects.all().delete()
    apps.get_model("subscriptions", "FeedConnection").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0003_connection_load")]

    operations = [migrations.RunPython(add, remove)]
