"""The periodic task that requests the broker's option chains."""

from django.db import migrations

from marketdata.migrations._schedule import Every, seeds

ROWS = [
    Every(
        "Request option chains",
        "subscriptions.tasks.request_chains",
        5,
        "The broker's chains of the series that stream: at most three a run, each once in three minutes of a session.",
    ),
]


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0007_replaced_socket")]

    operations = [migrations.RunPython(*seeds(ROWS))]
