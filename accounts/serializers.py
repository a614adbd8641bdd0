"""The assertion that a request is about the one who makes it.

Paths and bodies may name a user: by id, by username, or as `me`. Any other name than one's own is answered
like an unknown one, so that nobody learns who exists.
"""

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from rest_framework import serializers
from rest_framework.exceptions import NotFound


def assert_oneself(user: AbstractBaseUser | AnonymousUser, named: str) -> None:
    """Raise NotFound unless `named` is `user`."""
    if named not in {"me", str(user.pk), user.get_username()}:
        raise NotFound(f"There is no user {named[:150]!r}.")


class OneselfField(serializers.Field[Any, Any, Any, Any]):
    """`user_id` of a body: accepted if it names the one who asks, and of no further use."""

    def __init__(self) -> None:
        super().__init__(required=False, write_only=True, help_text="me, or your own id or username")

    def to_internal_value(self, data: object) -> str:
        """Return the name as text. Raises NotFound."""
        named = str(data)
        assert_oneself(self.context["request"].user, named)
        return named

    def to_representation(self, value: object) -> str:
        """Show the name in an example of the body."""
        return str(value)
