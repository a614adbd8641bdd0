"""The periodic task that removes old closing prices."""

from django.db import migrations

from marketdata.migrations._schedule import At, seeds

ROWS = [
    At(
        "Remove old closing prices",
        "marketdata.tasks.remove_old_closes",
        "0",
        "30",
        "Recorded days beyond the newest CLOSES_KEEP_DAYS.",
    ),
]


class Migration(migrations.Migration):
    dependencies = [("marketdata", "0010_former_series_index")]

    operations = [migrations.RunPython(*seeds(ROWS))]
