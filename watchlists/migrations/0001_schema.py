"""The table of watchlist entries."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("marketdata", "0001_tables"),
        ("subscriptions", "0001_tables"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="WatchlistEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("list_name", models.CharField(default="Main", max_length=40)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("EQUITY", "Equity"),
                            ("FUTURE", "Future"),
                            ("STOCK_OPTION", "Stock Option"),
                            ("INDEX_OPTION", "Index Option"),
                            ("COMMODITY_OPTION", "Commodity Option"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "exchange_segment",
                    models.SmallIntegerField(
                        blank=True,
                        choices=[
                            (0, "IDX_I"),
                            (1, "NSE_EQ"),
                            (2, "NSE_FNO"),
                            (3, "NSE_CURRENCY"),
                            (4, "BSE_EQ"),
                            (5, "MCX_COMM"),
                            (7, "BSE_CURRENCY"),
                            (8, "BSE_FNO"),
                        ],
                        null=True,
                    ),
                ),
                ("underlying_symbol", models.CharField(max_length=64)),
                ("expiry", models.DateField(blank=True, null=True)),
                ("keep", models.BooleanField(default=False)),
                ("position", models.PositiveIntegerField(default=0)),
                ("added_at", models.DateTimeField()),
                (
                    "claim",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="watchlist_entry",
                        to="subscriptions.claim",
                    ),
                ),
                (
                    "instrument",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="watchlist_entries",
                        to="marketdata.instrument",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="watchlist_entries",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "watchlist",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "list_name", "instrument", "exchange_segment", "underlying_symbol", "expiry"),
                        name="watchlist_target_once_per_list",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("instrument__isnull", False),
                            models.Q(("exchange_segment__isnull", False), ("expiry__isnull", False)),
                            _connector="OR",
                        ),
                        name="watchlist_instrument_or_series",
                    ),
                ],
            },
        ),
    ]
