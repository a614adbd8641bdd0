"""Writes about users: preferences and API tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.base_user import AbstractBaseUser
from knox.models import get_token_model

from accounts.domain.preferences import Preferences, Theme
from accounts.models import UserPreferences

_COLUMNS: Final = ("theme", "price_colors", "density", "update_rate_hz", "has_letter_keys")


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token with its secret. Only its hash is stored: this is the only time that the secret is known."""

    secret: str
    expires_at: datetime | None


def save_preferences(*, user_id: int, preferences: Preferences) -> None:
    """Replace the preferences of a user."""
    _save(user_id, preferences, columns=_COLUMNS)


def save_theme(*, user_id: int, theme: Theme) -> None:
    """Replace the theme of a user; the other preferences stay."""
    _save(user_id, Preferences(theme=theme), columns=["theme"])


def make_token(*, user: AbstractBaseUser, now: datetime) -> NewToken:
    """Make an API token of a user, and delete the expired ones."""
    tokens = get_token_model().objects
    stored, secret = tokens.create(user=user)
    tokens.filter(user=user, expiry__lt=now).delete()
    return NewToken(secret, stored.expiry)


def revoke_token(*, user_id: int, prefix: str) -> bool:
    """End the token of this user that begins with `prefix`; return whether there was one."""
    deleted, _ = get_token_model().objects.filter(user=user_id, token_key=prefix).delete()
    return bool(deleted)


def _save(user_id: int, preferences: Preferences, *, columns: Sequence[str]) -> None:
    # One statement, so that two tabs that save at once cannot both insert.
    row = UserPreferences(user_id=user_id, **{name: getattr(preferences, name) for name in _COLUMNS})
    UserPreferences.objects.bulk_create([row], update_conflicts=True, unique_fields=["user"], update_fields=columns)
