"""Reads about users."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from knox.models import get_token_model

from accounts.domain.layouts import Layout, keep_known
from accounts.domain.preferences import Density, Preferences, PriceColors, Theme
from accounts.models import ColumnLayout, User, UserPreferences


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A valid API token, without its secret, which is not stored. `prefix` is how the secret begins."""

    prefix: str
    made_at: datetime
    expires_at: datetime | None


def get_preferences(*, user_id: int) -> Preferences:
    """Return the preferences of a user: the stored ones, else the defaults."""
    row = UserPreferences.objects.filter(user=user_id).first()
    if row is None:
        return Preferences()
    return Preferences(
        theme=Theme(row.theme),
        price_colors=PriceColors(row.price_colors),
        density=Density(row.density),
        update_rate_hz=row.update_rate_hz,
        has_letter_keys=row.has_letter_keys,
    )


def list_layouts(*, user_id: int) -> Sequence[Layout]:
    """Return the layouts of a user in their order, without columns that exist no longer."""
    rows = ColumnLayout.objects.filter(user=user_id).order_by("pk").values_list("name", "columns")
    return [Layout(name, keep_known(columns)) for name, columns in rows]


def list_tokens(*, user_id: int, now: datetime) -> Sequence[ApiToken]:
    """Return the valid API tokens of a user, the newest first."""
    valid = get_token_model().objects.filter(Q(expiry__isnull=True) | Q(expiry__gt=now), user=user_id)
    rows = valid.order_by("-created", "token_key").values_list("token_key", "created", "expiry")
    return [ApiToken(*row) for row in rows]


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
