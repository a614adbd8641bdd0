"""The periodic tasks of market data."""

from django.db import migrations

from marketdata.migrations._schedule import At, Every, seeds

ROWS: list[At | Every] = [
    Every(
        "Renew the broker's access token",
        "marketdata.tasks.renew_broker_token",
        10,
        "One query while the token is valid; also reacts to a token that the broker refused.",
    ),
    At("Import instruments", "marketdata.tasks.import_instruments", "8", "0", "The broker's instrument file."),
    Every(
        "Record closing prices",
        "marketdata.tasks.record_closes",
        300,
        "Closing price and open interest of each instrument, once per segment and session day.",
    ),
    At(
        "Remove old closing prices",
        "marketdata.tasks.remove_old_closes",
        "0",
        "30",
        "Recorded days beyond the newest CLOSES_KEEP_DAYS.",
    ),
    Every(
        "Fill missing closes",
        "marketdata.tasks.fill_closes",
        60,
        "Previous closes from the broker's daily candles, of streamed instruments that have none; no option legs.",
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("marketdata", "0003_index_spellings"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(*seeds(ROWS))]
