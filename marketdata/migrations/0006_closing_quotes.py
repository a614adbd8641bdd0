"""Closing price and open interest of each instrument by session day."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("marketdata", "0005_import_followed"),
    ]

    operations = [
        migrations.CreateModel(
            name="ClosingQuote",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "exchange_segment",
                    models.SmallIntegerField(
                        choices=[
                            (0, "IDX_I"),
                            (1, "NSE_EQ"),
                            (2, "NSE_FNO"),
                            (3, "NSE_CURRENCY"),
                            (4, "BSE_EQ"),
                            (5, "MCX_COMM"),
                            (7, "BSE_CURRENCY"),
                            (8, "BSE_FNO"),
                        ]
                    ),
                ),
                ("day", models.DateField()),
                ("price", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ("oi", models.BigIntegerField(null=True)),
                ("recorded_at", models.DateTimeField()),
                (
                    "instrument",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="marketdata.instrument"
                    ),
                ),
            ],
            options={
                "db_table": "closing_quotes",
                "indexes": [models.Index(fields=["day", "exchange_segment"], name="closing_quotes_segments")],
                "constraints": [
                    models.UniqueConstraint(fields=("instrument", "day"), name="closing_quotes_once_per_day"),
                    models.CheckConstraint(
                        condition=models.Q(("price__gt", 0), ("price", None), _connector="OR"),
                        name="closing_quotes_price_positive",
                    ),
                ],
            },
        ),
    ]
