"""The task that compares the held items with the list after an import."""

from django.db import migrations

from marketdata.migrations._schedule import Every, seeds

ROWS = [
    Every(
        "Follow contracts",
        "watchlists.tasks.follow_contracts",
        10,
        "Claims and entries follow the contracts that an import changed. One query without a new import.",
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("watchlists", "0003_schedule"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(*seeds(ROWS))]
