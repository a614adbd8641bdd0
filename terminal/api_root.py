"""The root of the REST API: the addresses that this caller may use, and for staff the version."""

import re
from collections.abc import Iterator
from typing import Final

from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from terminal import __version__

ROOT: Final = "api/v2/"
STAFF: Final = "admin/"
_PARAMETER: Final = re.compile(r"<(?:\w+:)?(\w+)>")


class ApiRootView(APIView):
    """Lists the endpoints as URI templates, such as `option-chain/{symbol}`."""

    def get(self, request: Request) -> Response:
        """Return {endpoints: {name: URI template}}, with the version for staff."""
        is_staff = request.user.is_staff
        base = request.build_absolute_uri(f"/{ROOT}")
        endpoints = {
            name: base + _PARAMETER.sub(r"{\1}", route)
            for name, route in _list_routes()
            if is_staff or not route.startswith(STAFF)
        }
        return Response({"endpoints": endpoints} | ({"version": __version__} if is_staff else {}))


def _list_routes() -> Iterator[tuple[str, str]]:
    """Return (name, route below the root) of each endpoint, in the order of the URL configuration."""
    for resolver in get_resolver().url_patterns:
        if isinstance(resolver, URLResolver) and str(resolver.pattern) == ROOT:
            for pattern in resolver.url_patterns:
                if isinstance(pattern, URLPattern) and pattern.name:
                    yield pattern.name, str(pattern.pattern)
