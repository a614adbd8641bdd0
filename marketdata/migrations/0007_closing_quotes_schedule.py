"""The periodic task that records closing prices."""

from django.db import migrations

from marketdata.migrations._schedule import Every, seeds

ROWS = [
    Every(
        "Record closing prices",
        "marketdata.tasks.record_closes",
        300,
        "Closing price and open interest of each instrument, once per segment and session day.",
    ),
]


class Migration(migrations.Migration):
    dependencies = [("marketdata", "0006_closing_quotes")]

    operations = [migrations.RunPython(*seeds(ROWS))]
