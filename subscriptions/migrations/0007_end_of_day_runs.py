"""Runs of the end of the day, one per date that is closed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0006_schedule"),
    ]

    operations = [
        migrations.CreateModel(
            name="EndOfDayRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("closes", models.DateField()),
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
                ("ran_at", models.DateTimeField()),
                ("actor", models.CharField(max_length=150)),
                ("claims", models.PositiveIntegerField(default=0)),
                ("released", models.PositiveIntegerField(default=0)),
            ],
            options={
                "db_table": "end_of_day_runs",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("closes", "exchange_segment"),
                        name="end_of_day_runs_once_per_date",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
    ]
