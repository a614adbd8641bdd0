"""API tokens, and the layouts of the chain.

A login returns a token; a logout ends the token or login session of the request.
"""

from typing import Any

from django.contrib.auth import authenticate, logout, user_logged_in
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from rest_framework import serializers, status
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import selectors, services
from accounts import serializers as layout_json
from accounts.authentication import TokenAuthentication
from accounts.domain.layouts import Layout
from accounts.serializers import require_user_id


class TokenRequest(serializers.Serializer[dict[str, str]]):
    """Credentials; without them the user of the browser's login session."""

    username = serializers.CharField(max_length=150, required=False)
    password = serializers.CharField(max_length=4096, required=False, trim_whitespace=False)

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        """Refuse a username without a password, and the reverse."""
        if ("username" in attrs) != ("password" in attrs):
            raise serializers.ValidationError("username and password go together.")
        return attrs


class SessionBesideToken(SessionAuthentication):
    """Session authentication that answers 401 with the token scheme's challenge; DRF's own answers 403."""

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of the token scheme."""
        header: str = TokenAuthentication().authenticate_header(request)
        return header


class TokenView(GenericAPIView[Any]):
    """`POST /api/v2/auth/token`: username and password, or a session, to a token."""

    # Not for a token: a token that could renew itself would never expire.
    authentication_classes = [SessionBesideToken]
    permission_classes = [AllowAny]
    serializer_class = TokenRequest

    def post(self, request: Request) -> Response:
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        user = self._user(request, asked.validated_data)
        token = services.make_token(user=user, now=timezone.now())
        user_logged_in.send(sender=type(user), request=request, user=user)
        named = {"id": user.pk, "username": user.get_username()}
        answer = {"token": token.secret, "expires_at": token.expires_at, "user": named}
        return Response(answer, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})

    @staticmethod
    def _user(request: Request, login: dict[str, str]) -> AbstractBaseUser:
        if not login:
            if not request.user.is_authenticated:
                raise AuthenticationFailed("Send username and password, or log in with the browser.")
            return request.user
        user = authenticate(request._request, **login)  # noqa: SLF001  Backends take Django's request.
        if user is None:
            raise AuthenticationFailed("Username or password is wrong.")
        return user


class LogoutView(APIView):
    """`POST /api/v2/auth/logout`: ends the token, or the session, that the request came with."""

    permission_classes = [IsAuthenticated]

    def post(self, request: Request) -> Response:
        if request.auth is not None:
            request.auth.delete()
        else:
            logout(request._request)  # noqa: SLF001  Django's own session.
        return Response(status=status.HTTP_204_NO_CONTENT)


class LayoutView(GenericAPIView[Any]):
    """Base of the views of layouts: each answers with all layouts of the caller, as they are then."""

    permission_classes = [IsAuthenticated]

    def sent(self, request: Request) -> dict[str, Any]:
        """Return the fields of the body. Raises ValidationError."""
        body = self.get_serializer(data=request.data)
        body.is_valid(raise_exception=True)
        found: dict[str, Any] = body.validated_data
        return found

    def answer(self, request: Request, *, code: int = status.HTTP_200_OK) -> Response:
        """Return the response with all layouts of the caller."""
        layouts = selectors.list_layouts(user_id=require_user_id(request.user))
        return Response(layout_json.format_layouts(layouts), status=code)


class LayoutsView(LayoutView):
    """Your layouts of the chain in their order; POST creates one behind the others."""

    serializer_class = layout_json.LayoutSerializer

    def get(self, request: Request) -> Response:
        return self.answer(request)

    def post(self, request: Request) -> Response:
        named = self.sent(request)
        services.create_layout(user_id=require_user_id(request.user), layout=Layout(named["name"], named["columns"]))
        return self.answer(request, code=status.HTTP_201_CREATED)


class ChangeLayoutView(LayoutView):
    """Replace the columns of one of your layouts."""

    serializer_class = layout_json.LayoutSerializer

    def post(self, request: Request) -> Response:
        named = self.sent(request)
        services.change_layout(user_id=require_user_id(request.user), layout=Layout(named["name"], named["columns"]))
        return self.answer(request)


class RenameLayoutView(LayoutView):
    """Rename one of your layouts; it keeps its place."""

    serializer_class = layout_json.RenameLayoutSerializer

    def post(self, request: Request) -> Response:
        named = self.sent(request)
        services.rename_layout(user_id=require_user_id(request.user), name=named["layout"], new_name=named["name"])
        return self.answer(request)


class DeleteLayoutView(LayoutView):
    """Delete one of your layouts."""

    serializer_class = layout_json.DeleteLayoutSerializer

    def post(self, request: Request) -> Response:
        services.delete_layout(user_id=require_user_id(request.user), name=self.sent(request)["layout"])
        return self.answer(request)
