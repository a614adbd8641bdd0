"""Reads about users."""

from collections.abc import Collection, Mapping

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import User


def get_instrument_quota(*, user_id: int) -> int:
    """Return the maximum of live instruments of a trader: the value of the user, else the setting."""
    own = User.objects.values_list("instrument_quota", flat=True).get(pk=user_id)
    # `is None`, because a quota of 0 is valid: it stops a user.
    quota: int = settings.INSTRUMENT_QUOTA if own is None else own
    return quota


def list_logged_in(session_keys: Collection[str]) -> Mapping[str, int]:
    """Return the user id of each of these login sessions that is valid now, as a request would find it, by key.

    Two queries for any number of sessions.
    """
    stored = Session.objects.filter(session_key__in=session_keys, expire_date__gt=timezone.now())
    contents = {one.session_key: one.get_decoded() for one in stored}
    users = User.objects.in_bulk([int(one[SESSION_KEY]) for one in contents.values() if SESSION_KEY in one])
    return {
        key: user.pk
        for key, content in contents.items()
        if (user := users.get(int(content.get(SESSION_KEY, 0)))) is not None and _is_valid(user, content)
    }


def _is_valid(user: User, content: Mapping[str, str]) -> bool:
    """Return whether the session is of an active user, by a backend of now, and not older than the password."""
    if not user.is_active or content.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return False
    given = content.get(HASH_SESSION_KEY, "")
    return any(
        constant_time_compare(given, known)
        for known in (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    )
