"""Who may act on everybody's subscriptions: staff with a permission of its own. Being staff is not enough."""

from typing import Any, Final

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

OPERATE: Final = "subscriptions.operate"


class IsOperator(BasePermission):
    """Staff with the permission to operate; superusers have it."""

    message = "This takes the permission to operate the terminal, which you do not have."

    def has_permission(self, request: Request, view: Any) -> bool:  # noqa: ARG002  the framework's signature
        """Whether the one who asks may operate."""
        user = request.user
        return bool(user.is_authenticated and user.is_staff and user.has_perm(OPERATE))
