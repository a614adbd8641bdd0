"""Writes about users: preferences, layouts of the chain and API tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from knox.models import get_token_model

from accounts.domain.layouts import MAX_LAYOUTS, Layout
from accounts.domain.preferences import Preferences, Theme
from accounts.models import ColumnLayout, User, UserPreferences
from marketdata.domain.errors import DomainError

_COLUMNS: Final = ("theme", "price_colors", "density", "update_rate_hz", "has_letter_keys")


class UnknownLayout(DomainError):
    """The trader has no layout of this name."""

    code = "unknown_layout"


class DuplicateLayout(DomainError):
    """The trader has a layout of this name already."""

    code = "duplicate_layout"


class TooManyLayouts(DomainError):
    """The trader has as many layouts as are permitted."""

    code = "too_many_layouts"


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


@transaction.atomic
def create_layout(*, user_id: int, layout: Layout) -> None:
    """Create a layout behind the others. Raises DuplicateLayout, TooManyLayouts."""
    names = _lock_layouts(user_id)
    _require_new(layout.name, names)
    if len(names) >= MAX_LAYOUTS:
        raise TooManyLayouts(f"You have {len(names)} layouts, and no more are possible.", most=MAX_LAYOUTS)
    ColumnLayout.objects.create(user_id=user_id, name=layout.name, columns=list(layout.columns))


@transaction.atomic
def change_layout(*, user_id: int, layout: Layout) -> None:
    """Replace the columns of the layout of this name. Raises UnknownLayout."""
    _require_known(layout.name, _lock_layouts(user_id))
    ColumnLayout.objects.filter(user=user_id, name=layout.name).update(columns=list(layout.columns))


@transaction.atomic
def rename_layout(*, user_id: int, name: str, new_name: str) -> None:
    """Rename a layout; it keeps its place. Raises UnknownLayout, DuplicateLayout."""
    names = _lock_layouts(user_id)
    _require_known(name, names)
    if new_name != name:
        _require_new(new_name, names)
        ColumnLayout.objects.filter(user=user_id, name=name).update(name=new_name)


@transaction.atomic
def delete_layout(*, user_id: int, name: str) -> None:
    """Delete a layout. Raises UnknownLayout."""
    _require_known(name, _lock_layouts(user_id))
    ColumnLayout.objects.filter(user=user_id, name=name).delete()


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


def _lock_layouts(user_id: int) -> Sequence[str]:
    """Return the names of the user's layouts, once no other transaction changes them.

    The lock is on the user, because two requests that create the first layout have no other row in common.
    """
    User.objects.select_for_update(no_key=True).only("pk").get(pk=user_id)
    return list(ColumnLayout.objects.filter(user=user_id).values_list("name", flat=True))


def _require_known(name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise UnknownLayout(f"You have no layout {name!r}.")


def _require_new(name: str, names: Sequence[str]) -> None:
    if name in names:
        raise DuplicateLayout(f"You have a layout {name!r} already.")
