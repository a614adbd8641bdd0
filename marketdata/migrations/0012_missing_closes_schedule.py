"""The periodic task that requests previous closes which no other source has."""

from django.db import migrations

from marketdata.migrations._schedule import Every, seeds

ROWS = [
    Every(
        "Fill missing closes",
        "marketdata.tasks.fill_closes",
        60,
        "Previous closes from the broker's daily candles, of streamed instruments that have none; no option legs.",
    ),
]


class Migration(migrations.Migration):
    dependencies = [("marketdata", "0011_remove_old_closes_schedule")]

    operations = [migrations.RunPython(*seeds(ROWS))]
