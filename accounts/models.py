"""Who uses the terminal: traders, staff and integrators.

A model of our own from the first migration, so that it can grow without a change of every foreign key.
"""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A trader, or with `is_staff` an operator; integrators are users with API tokens."""
