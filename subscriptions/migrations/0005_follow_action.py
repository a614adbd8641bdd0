"""The action `follow` of the audit log."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0004_schedule")]

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
                    ("follow", "follow"),
                ],
                max_length=16,
            ),
        ),
    ]
