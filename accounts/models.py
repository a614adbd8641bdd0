"""Who uses the terminal: traders, staff and integrators.

A model of our own from the first migration, so that it can grow without a change of every foreign key.
"""

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A trader, or with `is_staff` an operator; integrators are users with API tokens."""

    # How many instruments this trader may have live; null for what everybody may.
    instrument_quota = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Live instruments of this trader at most; empty: INSTRUMENT_QUOTA of the settings.",
    )
