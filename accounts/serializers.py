"""JSON of accounts: who sends a request and whether it names its own user, and the layouts of the chain.

Paths and bodies can name a user by id, by username, or as `me`.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from rest_framework import serializers
from rest_framework.exceptions import NotAuthenticated, NotFound

from accounts.domain.layouts import COLUMNS, MAX_LAYOUT_NAME, MAX_LAYOUTS, Layout, describe_fault


def require_own_user(user: AbstractBaseUser | AnonymousUser, named: str) -> None:
    """Raise NotFound unless `named` is `user`."""
    if named not in {"me", str(user.pk), user.get_username()}:
        # 404, not 403: the same answer as for an unknown name, so that callers cannot find out which users exist.
        raise NotFound(f"There is no user {named[:150]!r}.")


def require_user_id(user: AbstractBaseUser | AnonymousUser) -> int:
    """Return the id of `user`. Raises NotAuthenticated for an anonymous one."""
    user_id: int | None = user.pk
    if user_id is None:
        raise NotAuthenticated
    return user_id


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


class LayoutNameField(serializers.CharField):
    """The name of a layout, without spaces around it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_LAYOUT_NAME, **options)


class LayoutSerializer(serializers.Serializer[Any]):
    """Body of a new layout, or of new columns of one."""

    user_id = OwnUserField()
    name = LayoutNameField()
    columns = serializers.JSONField(help_text=f"a list of {', '.join(COLUMNS)}; the first one is the outermost")

    def validate_columns(self, value: object) -> tuple[str, ...]:
        """Return the columns. Raises ValidationError with one sentence, where a list field would nest one per item."""
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise serializers.ValidationError("Send a list of names of columns.")
        fault = describe_fault(value)
        if fault is not None:
            raise serializers.ValidationError(fault)
        return tuple(value)


class RenameLayoutSerializer(serializers.Serializer[Any]):
    """Body of a new name: `layout` is the present one."""

    user_id = OwnUserField()
    layout = LayoutNameField()
    name = LayoutNameField()


class DeleteLayoutSerializer(serializers.Serializer[Any]):
    """Body of a deletion."""

    user_id = OwnUserField()
    layout = LayoutNameField()


def format_layouts(layouts: Sequence[Layout]) -> dict[str, Any]:
    """Return the layouts of a user in their order, the columns that there are, and how many layouts are possible."""
    return {
        "layouts": [{"name": one.name, "columns": one.columns} for one in layouts],
        "columns": COLUMNS,
        "most": MAX_LAYOUTS,
    }
