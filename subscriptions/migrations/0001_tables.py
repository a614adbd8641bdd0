"""The tables of claims, subscriptions, connections and the audit log."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

LOG_TABLE = """
CREATE TABLE subscription_log (
    id bigserial NOT NULL,
    at timestamptz NOT NULL,
    action varchar(16) NOT NULL,
    reason varchar(32) NOT NULL,
    actor varchar(150) NOT NULL,
    tier varchar(1) NOT NULL,
    subject varchar(128) NOT NULL,
    legs bigint[] NOT NULL,
    connections jsonb NOT NULL,
    counts jsonb NOT NULL,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE INDEX subscription_log_at ON subscription_log (at);
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("marketdata", "0001_tables"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="FeedConnection",
            fields=[
                ("number", models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ("capacity", models.PositiveIntegerField(default=5000)),
                ("load", models.PositiveIntegerField(default=0)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("wanted", "wanted"),
                            ("opening", "opening"),
                            ("subscribing", "subscribing"),
                            ("live", "live"),
                            ("mute", "mute"),
                            ("reconnecting", "reconnecting"),
                            ("waiting", "waiting"),
                            ("stopped", "stopped"),
                            ("failed_over", "failed_over"),
                        ],
                        default="wanted",
                        max_length=16,
                    ),
                ),
                ("since", models.DateTimeField()),
                ("last_error", models.CharField(blank=True, max_length=256)),
                ("lost_since", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "db_table": "feed_connections",
                "permissions": [("operate", "Can evict, pin, clear and rebalance")],
            },
        ),
        migrations.CreateModel(
            name="FeedGate",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("cooldown_until", models.DateTimeField(blank=True, null=True)),
                ("closes_all", models.BooleanField(default=False)),
                ("reason", models.CharField(blank=True, max_length=256)),
                ("set_by", models.CharField(blank=True, max_length=128)),
                ("refusals", models.PositiveSmallIntegerField(default=0)),
                ("slots_held_until", models.DateTimeField(blank=True, null=True)),
                ("risked_at", models.DateTimeField(blank=True, null=True)),
                ("risks", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("replaced_connection", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("replaced_until", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "db_table": "feed_gate",
            },
        ),
        migrations.CreateModel(
            name="PreloadRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("profile", models.CharField(default="lean", max_length=16)),
                ("position", models.PositiveSmallIntegerField()),
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
                ("weekly", models.PositiveSmallIntegerField(default=0)),
                ("monthly", models.PositiveSmallIntegerField(default=0)),
                ("quarterly", models.PositiveSmallIntegerField(default=0)),
                ("strikes", models.PositiveSmallIntegerField(default=0)),
                ("futures", models.PositiveSmallIntegerField(default=0)),
                ("is_active", models.BooleanField(default=True)),
            ],
            options={
                "db_table": "preload_rules",
            },
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tier", models.CharField(choices=[("A", "A"), ("B", "B")], max_length=1)),
                (
                    "mode",
                    models.CharField(
                        choices=[("ticker", "ticker"), ("quote", "quote"), ("full", "full")], max_length=6
                    ),
                ),
                ("since", models.DateTimeField()),
            ],
            options={
                "db_table": "subscriptions",
            },
        ),
        migrations.CreateModel(
            name="Claim",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
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
                ("tier", models.CharField(choices=[("A", "A"), ("B", "B")], max_length=1)),
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
                ("underlying_symbol", models.CharField(blank=True, max_length=64)),
                ("expiry", models.DateField(blank=True, null=True)),
                ("width", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("is_pinned", models.BooleanField(default=False)),
                ("last_viewed_at", models.DateTimeField()),
                ("claimed_at", models.DateTimeField()),
                (
                    "instrument",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="claims",
                        to="marketdata.instrument",
                    ),
                ),
                (
                    "spot",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="chains",
                        to="subscriptions.claim",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="claims",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "claims",
            },
        ),
        migrations.CreateModel(
            name="ClaimLeg",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "claim",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="legs",
                        to="subscriptions.claim",
                    ),
                ),
            ],
            options={
                "db_table": "claim_legs",
            },
        ),
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
        migrations.CreateModel(
            name="FeedLease",
            fields=[
                (
                    "connection",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="lease",
                        serialize=False,
                        to="subscriptions.feedconnection",
                    ),
                ),
                ("owner", models.CharField(blank=True, max_length=128)),
                ("epoch", models.PositiveBigIntegerField(default=0)),
                ("expires_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "feed_leases",
            },
        ),
        migrations.AddConstraint(
            model_name="feedconnection",
            constraint=models.CheckConstraint(
                condition=models.Q(("number__gte", 1), ("number__lte", 5)), name="feed_connections_number_1_to_5"
            ),
        ),
        migrations.AddConstraint(
            model_name="feedconnection",
            constraint=models.CheckConstraint(
                condition=models.Q(("capacity__lte", 5000)), name="feed_connections_capacity_5000"
            ),
        ),
        migrations.AddConstraint(
            model_name="feedconnection",
            constraint=models.CheckConstraint(
                condition=models.Q(("load__gte", 0), ("load__lte", models.F("capacity"))),
                name="feed_connections_load_within_capacity",
            ),
        ),
        migrations.AddConstraint(
            model_name="feedgate",
            constraint=models.CheckConstraint(condition=models.Q(("id", 1)), name="feed_gate_one_row"),
        ),
        migrations.AddConstraint(
            model_name="preloadrule",
            constraint=models.UniqueConstraint(
                fields=("profile", "exchange_segment", "underlying_symbol"), name="preload_rules_unique_underlying"
            ),
        ),
        migrations.AddField(
            model_name="claim",
            name="rule",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="claims",
                to="subscriptions.preloadrule",
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="connection",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="subscriptions",
                to="subscriptions.feedconnection",
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="instrument",
            field=models.OneToOneField(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="subscription",
                to="marketdata.instrument",
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="leaving_connection",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="leaving_subscriptions",
                to="subscriptions.feedconnection",
            ),
        ),
        migrations.AddField(
            model_name="claimleg",
            name="subscription",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="legs",
                to="subscriptions.subscription",
            ),
        ),
        migrations.AddField(
            model_name="claim",
            name="subscriptions",
            field=models.ManyToManyField(
                related_name="claims", through="subscriptions.ClaimLeg", to="subscriptions.subscription"
            ),
        ),
        migrations.AddIndex(
            model_name="subscription",
            index=models.Index(
                condition=models.Q(("leaving_connection__isnull", False)),
                fields=["leaving_connection"],
                name="subscriptions_leaving",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("leaving_connection__isnull", True),
                    models.Q(("leaving_connection", models.F("connection")), _negated=True),
                    _connector="OR",
                ),
                name="subscriptions_leaves_another_connection",
            ),
        ),
        migrations.AddConstraint(
            model_name="claimleg",
            constraint=models.UniqueConstraint(fields=("claim", "subscription"), name="claim_legs_unique"),
        ),
        migrations.AddIndex(
            model_name="claim",
            index=models.Index(
                condition=models.Q(("expiry__isnull", False)),
                fields=["exchange_segment", "underlying_symbol", "expiry", "width"],
                name="claims_chain",
            ),
        ),
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("exchange_segment__isnull", False),
                        ("expiry__isnull", False),
                        ("instrument", None),
                        ("width__isnull", False),
                    ),
                    models.Q(("expiry", None), ("instrument__isnull", False), ("width", None)),
                    _connector="OR",
                ),
                name="claims_chain_or_instrument",
            ),
        ),
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "spot")), fields=("tier", "instrument"), name="claims_one_spot_per_tier"
            ),
        ),
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "preload")),
                fields=("rule", "instrument", "exchange_segment", "underlying_symbol", "expiry"),
                name="claims_one_per_rule_and_target",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "chain")),
                fields=("user", "exchange_segment", "underlying_symbol", "expiry", "width"),
                name="claims_one_chain_per_user",
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
        # Partitioned by month, which Django's CreateModel cannot say. `subscription_log_make_month` makes the months.
        migrations.RunSQL(
            sql=LOG_TABLE,
            reverse_sql="DROP TABLE subscription_log;",
            state_operations=[
                migrations.CreateModel(
                    name="SubscriptionLog",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("at", models.DateTimeField()),
                        (
                            "action",
                            models.CharField(
                                choices=[
                                    ("subscribe", "subscribe"),
                                    ("unsubscribe", "unsubscribe"),
                                    ("recentre", "recentre"),
                                    ("evict", "evict"),
                                    ("pin", "pin"),
                                    ("unpin", "unpin"),
                                    ("move", "move"),
                                    ("repair", "repair"),
                                    ("follow", "follow"),
                                ],
                                max_length=16,
                            ),
                        ),
                        ("reason", models.CharField(max_length=32)),
                        ("actor", models.CharField(max_length=150)),
                        ("tier", models.CharField(blank=True, max_length=1)),
                        ("subject", models.CharField(max_length=128)),
                        (
                            "legs",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.BigIntegerField(), default=list, size=None
                            ),
                        ),
                        ("connections", models.JSONField(default=dict)),
                        ("counts", models.JSONField(default=dict)),
                    ],
                    options={
                        "db_table": "subscription_log",
                    },
                ),
                migrations.AddIndex(
                    model_name="subscriptionlog",
                    index=models.Index(fields=["at"], name="subscription_log_at"),
                ),
            ],
        ),
    ]
