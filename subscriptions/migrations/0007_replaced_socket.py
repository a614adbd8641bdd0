"""Columns of the account's row: the connection whose socket was replaced for bad data."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0006_held_slots")]

    operations = [
        migrations.AddField(
            model_name="feedgate",
            name="replaced_connection",
            field=models.PositiveSmallIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="feedgate", name="replaced_until", field=models.DateTimeField(blank=True, null=True)
        ),
    ]
