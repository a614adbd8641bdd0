"""The kind `view` of claims: one for each window that browsers show."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0008_chains_schedule")]

    operations = [
        migrations.AlterField(
            model_name="claim",
            name="kind",
            field=models.CharField(
                choices=[
                    ("watchlist", "watchlist"),
                    ("chain", "chain"),
                    ("preload", "preload"),
                    ("spot", "spot"),
                    ("view", "view"),
                ],
                max_length=9,
            ),
        ),
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "view")),
                fields=("exchange_segment", "underlying_symbol", "expiry", "width"),
                name="claims_one_view_per_window",
            ),
        ),
    ]
