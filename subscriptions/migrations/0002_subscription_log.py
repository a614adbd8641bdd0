"""The audit log: partitioned by month from the start, append-only by trigger.

Purging drops whole partitions, which no trigger forbids. A month is a month in IST, as staff read it.
`subscription_log_make_month(at)` makes the partition in which `at` falls, and does nothing where it stands:
every writer may call it first, so that a missing partition never refuses an act.
"""

import django.contrib.postgres.fields
from django.db import migrations, models

TABLE = """
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

# Row triggers of the parent are cloned to every partition, so a partition named directly refuses as well.
APPEND_ONLY = """
CREATE FUNCTION subscription_log_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'subscription_log is append-only: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'Old months are purged by dropping their partitions.';
END $$;
CREATE TRIGGER subscription_log_refuses_change BEFORE UPDATE OR DELETE ON subscription_log
    FOR EACH ROW EXECUTE FUNCTION subscription_log_refuse();
CREATE TRIGGER subscription_log_refuses_truncate BEFORE TRUNCATE ON subscription_log
    FOR EACH STATEMENT EXECUTE FUNCTION subscription_log_refuse();
"""

# Two callers may find the month missing at the same moment: the lock makes the second one see the first one's work.
MAKE_MONTH = """
CREATE FUNCTION subscription_log_make_month(moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    first date := date_trunc('month', moment AT TIME ZONE 'Asia/Kolkata')::date;
    partition text := 'subscription_log_' || to_char(first, 'YYYY_MM');
BEGIN
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('subscription_log_make_month', 0));
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format(
        'CREATE TABLE %I PARTITION OF subscription_log FOR VALUES FROM (%L) TO (%L)',
        partition,
        first::timestamp AT TIME ZONE 'Asia/Kolkata',
        (first + interval '1 month')::timestamp AT TIME ZONE 'Asia/Kolkata'
    );
END $$;
SELECT subscription_log_make_month(now() + make_interval(months => n)) FROM generate_series(0, 3) AS n;
"""

REMOVE = """
DROP TABLE subscription_log;
DROP FUNCTION subscription_log_make_month(timestamptz);
DROP FUNCTION subscription_log_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0001_initial")]

    operations = [
        migrations.RunSQL(
            sql=TABLE + APPEND_ONLY + MAKE_MONTH,
            reverse_sql=REMOVE,
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
                    options={"db_table": "subscription_log"},
                ),
                migrations.AddIndex(
                    model_name="subscriptionlog",
                    index=models.Index(fields=["at"], name="subscription_log_at"),
                ),
            ],
        ),
    ]
