"""Check that a request names its own user.

Paths and bodies can name a user by id, by username, or as `me`.
"""

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from rest_framework import serializers
from rest_framework.exceptions import NotFound


def require_own_user(user: AbstractBaseUser | AnonymousUser, named: str) -> None:
    """Raise NotFound unless `named` is `user`."""
    if named not in {"me", str(user.pk), user.get_username()}:
        # 404, not 403: the same answer as for an unknown name, so that callers cannot find out which users exist.
        raise NotFound(f"There is no user {named[:150]!r}.")


class OwnUserField(serializers.Field[Any, Any, Any, Any]):
    """`user_id` of a body: it must name the caller, and has no other effect."""

    def __init__(self) -> None:
        super().__init__(required=False, write_only=True, help_text="me, or your own id or username")

    def to_internal_value(self, data: object) -> str:
        """Return the name as text. Raises NotFound."""
        named = str(data)
        require_own_user(self.context["request"].user, named)
        return named

    def to_representation(self, value: object) -> str:
        """Show the name in an example of the body."""
        return str(value)
