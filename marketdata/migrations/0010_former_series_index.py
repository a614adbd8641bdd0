"""The index of series that are not listed any more: the present name of a renamed underlying is found through them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("marketdata", "0009_index_spellings")]

    operations = [
        migrations.AddIndex(
            model_name="instrument",
            index=models.Index(
                condition=models.Q(("is_listed", False), ("strike__isnull", False)),
                fields=["underlying_symbol", "exchange_segment", "expiry"],
                name="instruments_former_series",
            ),
        ),
    ]
