"""`/metrics` in the Prometheus format, for operators and for local requests.

A request is local if its peer is a loopback address, no header names a proxy, and NUM_PROXIES is 0. With a declared
proxy no request is local: behind a proxy on this machine every peer has a loopback address.
"""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any, Final, NoReturn

from django.conf import settings
from django.http import HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from rest_framework.exceptions import PermissionDenied
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from marketdata.streaming.hub import QuoteHub
from subscriptions.permissions import IsOperator
from terminal.feed_metrics import FeedCollector
from terminal.process_metrics import REGISTRY, HubCollector, SocketReadsCollector
from terminal.renderers import JsonRenderer
from terminal.web_processes import WebProcessesCollector
from watchlists.login_monitor import LoginMonitor
from watchlists.shared_watches import SharedWatches

FEED_REGISTRY: Final = CollectorRegistry()
FEED_REGISTRY.register(FeedCollector())
WEB_REGISTRY: Final = CollectorRegistry()
WEB_REGISTRY.register(WebProcessesCollector(REGISTRY))

_PROXY_HEADERS: Final = (
    "HTTP_FORWARDED",
    "HTTP_VIA",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
)


def watch_sockets(hub: QuoteHub, shared: SharedWatches, logins: LoginMonitor) -> None:
    """Register the metrics of what serves the browser sockets of this process."""
    REGISTRY.register(HubCollector(hub))
    REGISTRY.register(SocketReadsCollector(shared, logins))


def is_local(meta: Mapping[str, Any], *, proxies: int) -> bool:
    """Whether a request was made on this machine, as far as that is certain."""
    if proxies or any(header in meta for header in _PROXY_HEADERS):
        return False
    try:
        address = ip_address(meta.get("REMOTE_ADDR", ""))
    except ValueError:  # A Unix socket has no address; a proxy usually listens there.
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


class IsOperatorOrLocal(BasePermission):
    """Allows local requests, and staff with the permission to operate."""

    message = "Metrics are for operators, and for this machine without a proxy."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the caller may read the metrics. A local request needs no database query."""
        return is_local(request.META, proxies=settings.NUM_PROXIES) or IsOperator().has_permission(request, view)


class _AlwaysJson(BaseContentNegotiation):
    """Ignores Accept: scrapers ask for types that are not offered, and a problem must still be JSON."""

    def select_parser(self, request: Request, parsers: Any) -> Any:  # noqa: ARG002  the framework's signature
        """Return the first parser."""
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:  # noqa: ARG002
        """Return the first renderer."""
        return renderers[0], renderers[0].media_type


class MetricsView(APIView):
    """All metrics as text."""

    permission_classes = [IsOperatorOrLocal]
    renderer_classes = [JsonRenderer]
    content_negotiation_class = _AlwaysJson

    def get(self, _request: Request) -> HttpResponse:
        """Answer with the present values of all metrics."""
        return HttpResponse(
            generate_latest(FEED_REGISTRY) + generate_latest(WEB_REGISTRY),
            content_type=CONTENT_TYPE_LATEST,
            headers={"Cache-Control": "no-store"},
        )

    def permission_denied(self, request: Request, message: str | None = None, code: str | None = None) -> NoReturn:  # noqa: ARG002
        """Answer 403 instead of 401 to an anonymous caller: a scraper cannot log in."""
        raise PermissionDenied(detail=message)
