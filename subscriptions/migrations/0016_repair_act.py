"""The log knows repairs."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0015_full_rules")]

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
                    ("repair", "repair"),
                ],
                max_length=16,
            ),
        ),
    ]
