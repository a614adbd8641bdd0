"""Reads about users."""

from django.conf import settings

from accounts.models import User


def get_instrument_quota(*, user_id: int) -> int:
    """Return the maximum of live instruments of a trader: the value of the user, else the setting."""
    own = User.objects.values_list("instrument_quota", flat=True).get(pk=user_id)
    # `is None`, because a quota of 0 is valid: it stops a user.
    quota: int = settings.INSTRUMENT_QUOTA if own is None else own
    return quota
