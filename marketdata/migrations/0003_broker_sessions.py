from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("marketdata", "0002_instrument_search"),
    ]

    operations = [
        migrations.CreateModel(
            name="BrokerSession",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("client_id", models.CharField(max_length=32)),
                ("token_sealed", models.TextField(blank=True)),
                ("last_four", models.CharField(blank=True, max_length=4)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                (
                    "method",
                    models.CharField(
                        choices=[
                            ("environment", "environment"),
                            ("entered", "entered"),
                            ("renewed", "renewed"),
                            ("generated", "generated"),
                        ],
                        max_length=12,
                    ),
                ),
                ("stored_at", models.DateTimeField()),
                ("stored_by", models.CharField(max_length=150)),
                ("is_current", models.BooleanField(default=True)),
                ("environment_mark", models.CharField(blank=True, max_length=64)),
                ("refused_at", models.DateTimeField(blank=True, null=True)),
                ("refusal", models.CharField(blank=True, max_length=200)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("failure", models.CharField(blank=True, max_length=200)),
                ("retry_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "broker session",
                "db_table": "broker_sessions",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_current", True)),
                        fields=("is_current",),
                        name="broker_sessions_one_current",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("is_current", True), ("token_sealed", ""), _connector="OR"),
                        name="broker_sessions_only_current_has_token",
                    ),
                ],
            },
        ),
    ]
