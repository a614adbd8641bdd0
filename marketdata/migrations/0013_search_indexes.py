"""Indexes of the search: instruments other than options by their symbol, and futures by the instrument they are on."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("marketdata", "0012_missing_closes_schedule")]

    operations = [
        migrations.AddIndex(
            model_name="instrument",
            index=models.Index(
                condition=models.Q(("is_listed", True), ("option_type", "")),
                fields=["underlying_symbol"],
                name="instruments_symbol",
            ),
        ),
        migrations.AddIndex(
            model_name="instrument",
            index=models.Index(
                condition=models.Q(("is_listed", True), ("option_type", ""), ("underlying__isnull", False)),
                fields=["underlying", "expiry"],
                name="instruments_spot",
            ),
        ),
    ]
