"""The task that releases the chains that no browser shows any more."""

from django.db import migrations

from marketdata.migrations._schedule import Every, seeds

ROWS = [
    Every(
        "Release unviewed chains",
        "subscriptions.tasks.release_unviewed",
        10,
        "Chains that only browsers showed, VIEW_SECONDS after the last one left. One query when there are none.",
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0009_view_claims"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(*seeds(ROWS))]
