"""The tables of instruments, imports, windows, market sessions, broker sessions and closing prices."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="InstrumentImport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(max_length=512)),
                ("layout", models.CharField(blank=True, max_length=16)),
                ("as_of", models.DateField()),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("rows_read", models.PositiveIntegerField(default=0)),
                ("rows_kept", models.PositiveIntegerField(default=0)),
                ("skipped", models.JSONField(default=dict)),
                ("inserted", models.PositiveIntegerField(default=0)),
                ("changed", models.PositiveIntegerField(default=0)),
                ("delisted", models.PositiveIntegerField(default=0)),
                ("refusal", models.TextField(blank=True)),
                ("followed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "accepts",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketdata.instrumentimport",
                    ),
                ),
                ("actor", models.CharField(blank=True, max_length=150)),
                ("findings", models.JSONField(default=list)),
                ("groups", models.JSONField(default=list)),
                ("is_dry_run", models.BooleanField(default=False)),
                ("notes", models.JSONField(default=list)),
            ],
            options={
                "db_table": "instrument_imports",
                "permissions": [
                    ("accept_import", "Can compare an instrument file with the list, and accept the difference")
                ],
            },
        ),
        migrations.CreateModel(
            name="AtmCache",
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
                ("underlying_symbol", models.CharField(max_length=64)),
                ("expiry", models.DateField()),
                ("width", models.PositiveSmallIntegerField()),
                ("ltp", models.DecimalField(decimal_places=4, max_digits=14)),
                ("atm", models.DecimalField(decimal_places=4, max_digits=12)),
                ("strike_step", models.DecimalField(decimal_places=4, max_digits=12)),
                ("lowest_strike", models.DecimalField(decimal_places=4, max_digits=12)),
                ("highest_strike", models.DecimalField(decimal_places=4, max_digits=12)),
                ("calculated_at", models.DateTimeField()),
            ],
            options={
                "db_table": "atm_cache",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("exchange_segment", "underlying_symbol", "expiry", "width"),
                        name="atm_cache_unique_window",
                    ),
                    models.CheckConstraint(condition=models.Q(("strike_step__gt", 0)), name="atm_cache_step_positive"),
                ],
            },
        ),
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
                ("is_previous", models.BooleanField(default=False)),
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
                    models.UniqueConstraint(
                        condition=models.Q(("is_previous", True)),
                        fields=("is_previous",),
                        name="broker_sessions_one_previous",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("is_current", False), ("is_previous", False), _connector="OR"),
                        name="broker_sessions_current_or_previous",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("is_current", True), ("is_previous", True), ("token_sealed", ""), _connector="OR"
                        ),
                        name="broker_sessions_former_have_no_token",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="MarketSession",
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
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("regular", "regular"),
                            ("special", "special"),
                            ("muhurat", "muhurat"),
                            ("holiday", "holiday"),
                        ],
                        max_length=8,
                    ),
                ),
                ("opens", models.TimeField(blank=True, null=True)),
                ("closes", models.TimeField(blank=True, null=True)),
                ("frozen_from", models.TimeField(blank=True, null=True)),
                ("source", models.CharField(blank=True, max_length=128)),
                ("note", models.CharField(blank=True, max_length=128)),
            ],
            options={
                "verbose_name": "market session",
                "db_table": "market_sessions",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("day", "exchange_segment", "opens"),
                        name="market_sessions_unique_start",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("closes__isnull", True), ("opens__isnull", True)),
                            models.Q(
                                ("closes__isnull", False), ("opens__isnull", False), ("opens__lt", models.F("closes"))
                            ),
                            _connector="OR",
                        ),
                        name="market_sessions_open_before_close",
                        violation_error_message="A session opens before it closes, or has neither hour.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "holiday"), _negated=True), ("opens__isnull", True), _connector="OR"
                        ),
                        name="market_sessions_holiday_has_no_hours",
                        violation_error_message="A holiday has no hours.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "regular"), _negated=True), ("opens__isnull", False), _connector="OR"
                        ),
                        name="market_sessions_regular_has_hours",
                        violation_error_message="A regular session has hours.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("frozen_from__isnull", True),
                            models.Q(
                                ("frozen_from__gte", models.F("opens")),
                                ("frozen_from__lte", models.F("closes")),
                                ("opens__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="market_sessions_frozen_within",
                        violation_error_message="Spots stand still within the session.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Instrument",
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
                ("security_id", models.BigIntegerField()),
                ("exchange", models.CharField(choices=[("NSE", "NSE"), ("BSE", "BSE"), ("MCX", "MCX")], max_length=3)),
                (
                    "instrument_type",
                    models.CharField(
                        choices=[
                            ("INDEX", "INDEX"),
                            ("EQUITY", "EQUITY"),
                            ("FUTIDX", "FUTIDX"),
                            ("FUTSTK", "FUTSTK"),
                            ("FUTCOM", "FUTCOM"),
                            ("FUTCUR", "FUTCUR"),
                            ("OPTIDX", "OPTIDX"),
                            ("OPTSTK", "OPTSTK"),
                            ("OPTFUT", "OPTFUT"),
                            ("OPTCUR", "OPTCUR"),
                        ],
                        max_length=6,
                    ),
                ),
                ("underlying_symbol", models.CharField(max_length=64)),
                ("token", models.CharField(max_length=96)),
                ("display_name", models.CharField(blank=True, max_length=128)),
                ("isin", models.CharField(blank=True, max_length=12)),
                ("series", models.CharField(blank=True, max_length=16)),
                ("expiry", models.DateField(blank=True, null=True)),
                ("strike", models.DecimalField(blank=True, decimal_places=4, max_digits=12, null=True)),
                ("option_type", models.CharField(blank=True, choices=[("CE", "CE"), ("PE", "PE")], max_length=2)),
                ("lot_size", models.PositiveIntegerField()),
                ("tick_size", models.DecimalField(decimal_places=4, max_digits=10)),
                ("upper_limit", models.DecimalField(blank=True, decimal_places=4, max_digits=14, null=True)),
                ("lower_limit", models.DecimalField(blank=True, decimal_places=4, max_digits=14, null=True)),
                ("freeze_quantity", models.PositiveIntegerField(blank=True, null=True)),
                ("is_listed", models.BooleanField(default=True)),
                ("first_seen_at", models.DateTimeField()),
                ("last_changed_at", models.DateTimeField()),
                (
                    "underlying",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketdata.instrument",
                    ),
                ),
            ],
            options={
                "db_table": "instruments",
                "indexes": [
                    models.Index(
                        condition=models.Q(("is_listed", True)),
                        fields=["underlying_symbol", "exchange_segment", "expiry", "strike"],
                        name="instruments_series",
                    ),
                    models.Index(condition=models.Q(("is_listed", True)), fields=["token"], name="instruments_token"),
                    models.Index(
                        condition=models.Q(("is_listed", False), ("strike__isnull", False)),
                        fields=["underlying_symbol", "exchange_segment", "expiry"],
                        name="instruments_former_series",
                    ),
                    models.Index(
                        condition=models.Q(("is_listed", True), ("option_type", "")),
                        fields=["token"],
                        name="instruments_token_prefix",
                        opclasses=["varchar_pattern_ops"],
                    ),
                    django.contrib.postgres.indexes.GinIndex(
                        django.contrib.postgres.search.SearchVector("token", "display_name", config="simple"),
                        condition=models.Q(("is_listed", True), ("option_type", "")),
                        name="instruments_words",
                    ),
                    models.Index(
                        condition=models.Q(("expiry__isnull", False), ("is_listed", True), ("option_type", "")),
                        fields=["underlying_symbol", "exchange_segment", "expiry"],
                        name="instruments_future",
                    ),
                    models.Index(
                        condition=models.Q(("is_listed", True), ("option_type", "")),
                        fields=["underlying_symbol"],
                        name="instruments_symbol",
                    ),
                    models.Index(
                        condition=models.Q(("is_listed", True), ("option_type", ""), ("underlying__isnull", False)),
                        fields=["underlying", "expiry"],
                        name="instruments_spot",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_listed", True)),
                        fields=("exchange_segment", "security_id"),
                        name="instruments_unique_listed_key",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("option_type", ""),
                            models.Q(("expiry__isnull", False), ("strike__isnull", False)),
                            _connector="OR",
                        ),
                        name="instruments_option_has_strike_and_expiry",
                    ),
                ],
            },
        ),
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
        migrations.CreateModel(
            name="IndexSpelling",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("spelling", models.CharField(max_length=64, unique=True)),
                ("symbol", models.CharField(max_length=64)),
            ],
            options={
                "verbose_name": "index spelling",
                "db_table": "index_spellings",
            },
        ),
    ]
