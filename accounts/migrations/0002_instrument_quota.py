"""A quota of instruments of one's own, which staff may set."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="instrument_quota",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Live instruments of this trader at most; empty: INSTRUMENT_QUOTA of the settings.",
                null=True,
            ),
        ),
    ]
