"""How each user wants the terminal to look and behave."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import CheckConstraint, Q


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_schema"),
    ]

    operations = [
        migrations.CreateModel(
            name="UserPreferences",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="preferences",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "theme",
                    models.CharField(
                        choices=[("auto", "AUTO"), ("light", "LIGHT"), ("dark", "DARK"), ("contrast", "CONTRAST")],
                        max_length=16,
                    ),
                ),
                (
                    "price_colors",
                    models.CharField(
                        choices=[("blue-orange", "BLUE_ORANGE"), ("green-red", "GREEN_RED")], max_length=16
                    ),
                ),
                (
                    "density",
                    models.CharField(choices=[("comfortable", "COMFORTABLE"), ("compact", "COMPACT")], max_length=16),
                ),
                ("update_rate_hz", models.PositiveSmallIntegerField()),
                ("has_letter_keys", models.BooleanField()),
            ],
            options={
                "db_table": "user_preferences",
                "verbose_name_plural": "user preferences",
                "constraints": [
                    CheckConstraint(
                        condition=Q(theme__in=["auto", "light", "dark", "contrast"]), name="preferences_theme"
                    ),
                    CheckConstraint(
                        condition=Q(price_colors__in=["blue-orange", "green-red"]), name="preferences_price_colors"
                    ),
                    CheckConstraint(condition=Q(density__in=["comfortable", "compact"]), name="preferences_density"),
                    CheckConstraint(condition=Q(update_rate_hz__in=(1, 4, 10)), name="preferences_update_rate"),
                ],
            },
        ),
    ]
