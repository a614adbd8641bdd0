"""Deletion of users in the admin: releases their claims first, with rows in the audit log."""

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
    """Account admin whose confirmation lists the claims that a deletion releases."""

    def get_deleted_objects(
        self,
        objs: Any,
        request: HttpRequest,  # noqa: ARG002  the framework's signature
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Return one line per user on the data deleted with them. Permission to delete users covers that data."""
        totals = selectors.list_claim_totals(user_ids=[user.pk for user in objs])
        lines = [
            f"{one.username}, with their watchlist, API tokens and {one.claims} claims on {one.legs} live instruments"
            for one in totals
        ]
        return lines, {"users": len(lines), "claims": sum(one.claims for one in totals)}, set(), []

    def delete_model(self, request: HttpRequest, obj: AbstractBaseUser) -> None:
        self._delete([obj], request)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._delete(queryset, request)

    def _delete(self, users: Iterable[AbstractBaseUser], request: HttpRequest) -> None:
        services.delete_users(
            user_ids=[user.pk for user in users], actor=request.user.get_username(), now=timezone.now()
        )
