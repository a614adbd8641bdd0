"""Columns of the account's row: whether the broker holds slots, and the risks that were taken."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0005_follow_action")]

    operations = [
        migrations.AddField(
            model_name="feedgate", name="slots_held_until", field=models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddField(model_name="feedgate", name="risked_at", field=models.DateTimeField(blank=True, null=True)),
        migrations.AddField(
            model_name="feedgate",
            name="risks",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
    ]
