import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("marketdata", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="instrument",
            index=models.Index(
                condition=models.Q(("is_listed", True), ("option_type", "")),
                fields=["token"],
                name="instruments_token_prefix",
                opclasses=["varchar_pattern_ops"],
            ),
        ),
        migrations.AddIndex(
            model_name="instrument",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.search.SearchVector("token", "display_name", config="simple"),
                condition=models.Q(("is_listed", True), ("option_type", "")),
                name="instruments_words",
            ),
        ),
        migrations.AddIndex(
            model_name="instrument",
            index=models.Index(
                condition=models.Q(("expiry__isnull", False), ("is_listed", True), ("option_type", "")),
                fields=["underlying_symbol", "exchange_segment", "expiry"],
                name="instruments_future",
            ),
        ),
    ]
