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
]


class Migration(migrations.Migration):
    dependencies = [
        ("marketdata", "0002_market_sessions_2026"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(*seeds(ROWS))]
