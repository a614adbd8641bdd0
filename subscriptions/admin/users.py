"""Users in the admin, as far as they hold subscriptions: deleting one releases what they claimed, with audit rows."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin import AccountAdmin
from subscriptions import selectors, services


@admin.register(get_user_model())
class ClaimingUserAdmin(AccountAdmin):
    """Accounts whose deletion is one service call, and whose confirmation says what goes."""

    def get_deleted_objects(
        self,
        objs: Any,
        request: HttpRequest,  # noqa: ARG002  the framework's signature
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Say in a line for each user what goes with them; whoever may delete users may delete what is theirs."""
        holdings = selectors.list_claim_totals(user_ids=[user.pk for user in objs])
        lines = [
            f"{one.username}, with their watchlist, API tokens and {one.claims} claims on {one.legs} live instruments"
            for one in holdings
        ]
        return lines, {"users": len(lines), "claims": sum(one.claims for one in holdings)}, set(), []

    def delete_model(self, request: HttpRequest, obj: AbstractBaseUser) -> None:
        """Delete one user."""
        self._delete([obj], request)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete the chosen users."""
        self._delete(queryset, request)

    def _delete(self, users: Iterable[AbstractBaseUser], request: HttpRequest) -> None:
        services.delete_users(
            user_ids=[user.pk for user in users], actor=request.user.get_username(), now=timezone.now()
        )
