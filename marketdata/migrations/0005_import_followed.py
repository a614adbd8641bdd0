"""When the held items were compared with the list of an import."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("marketdata", "0004_previous_token")]

    operations = [
        migrations.AddField(
            model_name="instrumentimport",
            name="followed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
