"""One view claim for each instrument that browsers show."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0004_schedule")]

    operations = [
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.UniqueConstraint(
                fields=["instrument"], condition=Q(kind="view"), name="claims_one_view_per_instrument"
            ),
        ),
    ]
