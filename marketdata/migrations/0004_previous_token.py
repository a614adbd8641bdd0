"""The previous access token stays stored, so that staff can go back to it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("marketdata", "0003_schedule")]

    operations = [
        migrations.AddField(
            model_name="brokersession",
            name="is_previous",
            field=models.BooleanField(default=False),
        ),
        migrations.RemoveConstraint(model_name="brokersession", name="broker_sessions_only_current_has_token"),
        migrations.AddConstraint(
            model_name="brokersession",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_previous", True)), fields=("is_previous",), name="broker_sessions_one_previous"
            ),
        ),
        migrations.AddConstraint(
            model_name="brokersession",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_current", False), ("is_previous", False), _connector="OR"),
                name="broker_sessions_current_or_previous",
            ),
        ),
        migrations.AddConstraint(
            model_name="brokersession",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_current", True), ("is_previous", True), ("token_sealed", ""), _connector="OR"),
                name="broker_sessions_former_have_no_token",
            ),
        ),
    ]
