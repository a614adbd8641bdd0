"""The log knows evictions, pins and moves."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0012_schedule_recentre")]

    operations = [
        migrations.AlterField(
            model_name="subscriptionlog",
            name="action",
            field=models.CharField(
                choices=[
                    ("subscribe", "subscribe"),
                    ("unsubscribe", "unsubscribe"),
                    ("recentre", "recentre"),
                    ("evict", "evict"),
                    ("pin", "pin"),
                    ("unpin", "unpin"),
                    ("move", "move"),
                ],
                max_length=16,
            ),
        ),
    ]
