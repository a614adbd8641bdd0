"""More states of a connection, and the gate's one row, where the account's quiet is kept."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

STATES = [
    "wanted",
    "opening",
    "subscribing",
    "live",
    "mute",
    "reconnecting",
    "waiting",
    "stopped",
    "failed_over",
]


def make_row(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("subscriptions", "FeedGate").objects.get_or_create(id=1)


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0017_integrity_by_statement")]

    operations = [
        migrations.AlterField(
            model_name="feedconnection",
            name="state",
            field=models.CharField(choices=[(one, one) for one in STATES], default="wanted", max_length=16),
        ),
        migrations.CreateModel(
            name="FeedGate",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("quiet_until", models.DateTimeField(blank=True, null=True)),
                ("closes_all", models.BooleanField(default=False)),
                ("reason", models.CharField(blank=True, max_length=256)),
                ("set_by", models.CharField(blank=True, max_length=128)),
                ("refusals", models.PositiveSmallIntegerField(default=0)),
            ],
            options={"db_table": "feed_gate"},
        ),
        migrations.AddConstraint(
            model_name="feedgate",
            constraint=models.CheckConstraint(condition=models.Q(("id", 1)), name="feed_gate_one_row"),
        ),
        migrations.RunPython(make_row, migrations.RunPython.noop, elidable=False),
    ]
