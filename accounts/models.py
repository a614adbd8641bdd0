"""Users of the terminal: traders, staff and integrators; their preferences, and their layouts of the chain.

A custom user model from the first migration: replacing Django's later would change every foreign key to it.
"""

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.domain.layouts import MAX_LAYOUT_NAME
from accounts.domain.preferences import UPDATE_RATES_HZ, Density, PriceColors, Theme


class User(AbstractUser):
    """A trader, or with `is_staff` an operator; integrators are users with API tokens."""

    # Maximum of live instruments of this trader; null: the setting INSTRUMENT_QUOTA.
    # Null instead of the number, so that a change of the setting applies to all users without their own value.
    instrument_quota = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Live instruments of this trader at most; empty: INSTRUMENT_QUOTA of the settings.",
    )


class UserPreferences(models.Model):
    """The preferences of one user; a user without a row has the defaults (`accounts.domain.preferences`)."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="preferences")
    theme = models.CharField(max_length=16, choices=[(one.value, one.name) for one in Theme])
    price_colors = models.CharField(max_length=16, choices=[(one.value, one.name) for one in PriceColors])
    density = models.CharField(max_length=16, choices=[(one.value, one.name) for one in Density])
    update_rate_hz = models.PositiveSmallIntegerField()
    has_letter_keys = models.BooleanField()

    class Meta:
        db_table = "user_preferences"
        verbose_name_plural = "user preferences"
        constraints = [
            models.CheckConstraint(condition=Q(theme__in=[one.value for one in Theme]), name="preferences_theme"),
            models.CheckConstraint(
                condition=Q(price_colors__in=[one.value for one in PriceColors]), name="preferences_price_colors"
            ),
            models.CheckConstraint(condition=Q(density__in=[one.value for one in Density]), name="preferences_density"),
            models.CheckConstraint(condition=Q(update_rate_hz__in=UPDATE_RATES_HZ), name="preferences_update_rate"),
        ]

    def __str__(self) -> str:
        return f"preferences of user {self.user_id}"


class ColumnLayout(models.Model):
    """One named layout of one user. The layouts stand in the order in which they were created."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="column_layouts")
    name = models.CharField(max_length=MAX_LAYOUT_NAME)
    # Text and no choices: a layout outlives a column that later versions do not have.
    columns = ArrayField(models.CharField(max_length=32))

    class Meta:
        db_table = "column_layouts"
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="column_layout_once_per_user"),
            models.CheckConstraint(condition=Q(columns__len__gt=0), name="column_layout_has_columns"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of user {self.user_id}"
