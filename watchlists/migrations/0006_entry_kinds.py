"""Entries of one option and of one index. The column is a text, so no row changes, in either direction."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("watchlists", "0005_named_lists")]

    operations = [
        migrations.AlterField(
            model_name="watchlistentry",
            name="kind",
            field=models.CharField(
                choices=[
                    ("EQUITY", "Equity"),
                    ("FUTURE", "Future"),
                    ("OPTION", "Option"),
                    ("INDEX", "Index"),
                    ("STOCK_OPTION", "Stock Option"),
                    ("INDEX_OPTION", "Index Option"),
                    ("COMMODITY_OPTION", "Commodity Option"),
                ],
                max_length=16,
            ),
        )
    ]
