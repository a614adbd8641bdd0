"""Users of the terminal: traders, staff and integrators.

A custom user model from the first migration: replacing Django's later would change every foreign key to it.
"""

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A trader, or with `is_staff` an operator; integrators are users with API tokens."""

    # Maximum of live instruments of this trader; null: the setting INSTRUMENT_QUOTA.
    # Null instead of the number, so that a change of the setting applies to all users without their own value.
    instrument_quota = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Live instruments of this trader at most; empty: INSTRUMENT_QUOTA of the settings.",
    )
