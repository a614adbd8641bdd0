"""The permission that staff need to act on everybody's subscriptions."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0007_end_of_day_runs")]

    operations = [
        migrations.AlterModelOptions(
            name="feedconnection",
            options={"permissions": [("operate", "Can evict, pin, clear and rebalance")]},
        ),
    ]
