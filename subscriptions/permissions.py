"""The permission to act on the subscriptions of all traders. Staff status alone does not grant it."""

from typing import Any, Final

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

OPERATE: Final = "subscriptions.operate"


class IsOperator(BasePermission):
    """Allows staff with the permission to operate, and superusers."""

    message = "You need the permission to operate the terminal."

    def has_permission(self, request: Request, view: Any) -> bool:  # noqa: ARG002  the framework's signature
        user = request.user
        return bool(user.is_authenticated and user.is_staff and user.has_perm(OPERATE))
