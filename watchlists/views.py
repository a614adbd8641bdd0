"""Endpoints of the watchlist: add, arrange, remove and read on the caller's own lists, and two for staff.

A `user_id` in a path or body only asserts the caller's identity; it selects no other user. The staff endpoints
release or clear the lists of all traders and need the operator permission.
"""

from typing import Any

from django.utils import timezone
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.serializers import require_own_user, require_user_id
from marketdata.serializers import validated
from subscriptions import selectors as subscriptions
from subscriptions.permissions import IsOperator
from watchlists import selectors, serializers, services


class AddView(GenericAPIView[Any]):
    """Add one instrument or an option chain to your watchlist and subscribe its instruments."""

    permission_classes = [IsAuthenticated]
    serializer_class = serializers.AddSerializer

    def post(self, request: Request) -> Response:
        wanted = validated(self.get_serializer(data=request.data))
        added = services.add_entry(
            user_id=require_user_id(request.user),
            actor=request.user.get_username(),
            **serializers.target_fields(wanted),
            caller_ltp=wanted.get("underlying_ltp"),
            list_name=wanted.get("list"),
            keep=wanted["keep"],
            strikes=wanted.get("strikes"),
            now=timezone.now(),
        )
        code = status.HTTP_201_CREATED if added.is_new else status.HTTP_200_OK
        return Response(serializers.format_added(added), status=code)


class RemoveView(GenericAPIView[Any]):
    """Remove an entry from your watchlist; instruments that other claims hold keep streaming."""

    permission_classes = [IsAuthenticated]
    serializer_class = serializers.RemoveSerializer

    def post(self, request: Request) -> Response:
        named = validated(self.get_serializer(data=request.data))
        user_id = require_user_id(request.user)
        entry_id = named.get("entry_id")
        if entry_id is None:
            entry_id = selectors.get_entry_of(
                user_id=user_id,
                list_name=named.get("list"),
                **serializers.target_fields(named),
            ).pk
        entry, release = services.remove_entry(
            user_id=user_id, actor=request.user.get_username(), entry_id=entry_id, now=timezone.now()
        )
        return Response(serializers.format_removed(entry, release))


class KeepView(GenericAPIView[Any]):
    """Set whether an entry of your watchlist streams again in the morning after each end of day."""

    permission_classes = [IsAuthenticated]
    serializer_class = serializers.KeepSerializer

    def post(self, request: Request) -> Response:
        named = validated(self.get_serializer(data=request.data))
        entry = services.set_keep(user_id=require_user_id(request.user), entry_id=named["entry_id"], keep=named["keep"])
        return Response(serializers.format_entry(entry))


class MoveView(GenericAPIView[Any]):
    """Move an entry of your watchlist before another one, or to the end of a list; it streams on."""

    permission_classes = [IsAuthenticated]
    serializer_class = serializers.MoveSerializer

    def post(self, request: Request) -> Response:
        named = validated(self.get_serializer(data=request.data))
        entry = services.move_entry(
            user_id=require_user_id(request.user),
            entry_id=named["entry_id"],
            before_id=named["before"],
            list_name=named.get("list"),
            now=timezone.now(),
        )
        return Response(serializers.format_entry(entry))


class ListsView(GenericAPIView[Any]):
    """The names of your lists in their order; POST creates one behind the others."""

    permission_classes = [IsAuthenticated]
    serializer_class = serializers.CreateListSerializer

    def get(self, request: Request) -> Response:
        return Response(serializers.format_lists(selectors.list_lists(user_id=require_user_id(request.user))))

    def post(self, request: Request) -> Response:
        named, user_id = validated(self.get_serializer(data=request.data)), require_user_id(request.user)
        services.create_list(user_id=user_id, name=named["name"], now=timezone.now())
        lists = selectors.list_lists(user_id=user_id)
        return Response(serializers.format_lists(lists), status=status.HTTP_201_CREATED)


class RenameListView(GenericAPIView[Any]):
    """Rename one of your lists; its entries stream on."""

    permission_classes = [IsAuthenticated]
    serializer_class = serializers.RenameListSerializer

    def post(self, request: Request) -> Response:
        named, user_id = validated(self.get_serializer(data=request.data)), require_user_id(request.user)
        services.rename_list(user_id=user_id, name=named["list"], new_name=named["name"], now=timezone.now())
        return Response(serializers.format_lists(selectors.list_lists(user_id=user_id)))


class DeleteListView(GenericAPIView[Any]):
    """Delete one of your lists with its entries; instruments that other claims hold keep streaming."""

    permission_classes = [IsAuthenticated]
    serializer_class = serializers.DeleteListSerializer

    def post(self, request: Request) -> Response:
        named = validated(self.get_serializer(data=request.data))
        removed = services.delete_list(
            user_id=require_user_id(request.user),
            name=named["list"],
            has_consent=named["with_entries"],
            actor=request.user.get_username(),
            now=timezone.now(),
        )
        return Response(serializers.format_cleared(removed))


class WatchlistView(APIView):
    """Your lists with live quotes in their order, and the use of your quota."""

    permission_classes = [IsAuthenticated]

    def get(self, request: Request, user_id: str) -> Response:
        require_own_user(request.user, user_id)
        trader = require_user_id(request.user)
        return Response(
            serializers.format_watchlist(
                selectors.list_entries(user_id=trader),
                lists=selectors.list_lists(user_id=trader),
                quota=subscriptions.read_quota_use(user_id=trader),
            )
        )


class UnsubscribeTierAView(APIView):
    """Release all claims of tier A now, as the end of day does; watchlists keep their entries."""

    permission_classes = [IsOperator]

    def post(self, request: Request) -> Response:
        release = services.release_all_tier_a(actor=request.user.get_username(), now=timezone.now())
        return Response(serializers.format_release(release))


class ClearWatchlistsView(APIView):
    """Clear the watchlists of all traders now, entries with `keep` too, and release their claims."""

    permission_classes = [IsOperator]

    def post(self, request: Request) -> Response:
        cleared = services.clear_watchlists(actor=request.user.get_username(), now=timezone.now())
        return Response(serializers.format_cleared(cleared))
