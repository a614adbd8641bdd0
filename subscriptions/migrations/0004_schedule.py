"""The periodic tasks of subscriptions."""

from django.db import migrations

from marketdata.migrations._schedule import At, Every, seeds

ROWS: list[At | Every] = [
    Every("Preload tier B", "subscriptions.tasks.preload_tier_b", 10, "Idempotent; cheap when nothing is missing."),
    Every(
        "Recentre live chains",
        "subscriptions.tasks.recentre",
        10,
        "Two queries and one read of prices when no price has moved by a strike step.",
    ),
    At(
        "Make months of the audit log", "subscriptions.tasks.make_log_months", "0", "10", "Partitions of coming months."
    ),
    At(
        "Drop old months of the audit log",
        "subscriptions.tasks.drop_log_months",
        "0",
        "20",
        "Whole months older than AUDIT_KEEP_DAYS.",
    ),
    Every(
        "Request option chains",
        "subscriptions.tasks.request_chains",
        5,
        "The broker's chains of the series that stream: at most three a run, each once in three minutes of a session.",
    ),
    Every(
        "Release unviewed chains",
        "subscriptions.tasks.release_unviewed",
        10,
        "Chains that only browsers showed, VIEW_SECONDS after the last one left. One query when there are none.",
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0003_rules"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(*seeds(ROWS))]
