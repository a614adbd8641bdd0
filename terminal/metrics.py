"""`/metrics`: the terminal's figures as Prometheus reads them, for operators and for who sits on this machine.

Who counts as sitting on this machine: the peer of the connection is a loopback address, the request names no
proxy it came through, and no proxy is declared (NUM_PROXIES is 0). With a proxy declared nobody does, whatever
the headers say, because a proxy on this machine makes every stranger's peer a loopback address.
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
from terminal.process_metrics import REGISTRY, HubCollector
from terminal.renderers import JsonRenderer

FEED_REGISTRY: Final = CollectorRegistry()
FEED_REGISTRY.register(FeedCollector())

_PROXY_HEADERS: Final = (
    "HTTP_FORWARDED",
    "HTTP_VIA",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
)


def watch_hub(hub: QuoteHub) -> None:
    """Show the figures of this process's quote hub from now on."""
    REGISTRY.register(HubCollector(hub))


def is_local(meta: Mapping[str, Any], *, proxies: int) -> bool:
    """Whether a request was made on this machine, as far as that is certain."""
    if proxies or any(header in meta for header in _PROXY_HEADERS):
        return False
    try:
        address = ip_address(meta.get("REMOTE_ADDR", ""))
    except ValueError:  # A Unix socket has no address; whoever listens there passes others on.
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


class IsOperatorOrLocal(BasePermission):
    """Whoever sits on this machine, and staff with the permission to operate."""

    message = "Metrics are for operators, and for this machine without a proxy."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the one who asks may read the figures. A local one costs no look at the database."""
        return is_local(request.META, proxies=settings.NUM_PROXIES) or IsOperator().has_permission(request, view)


class _AlwaysJson(BaseContentNegotiation):
    """A scraper asks for types we have not; a problem is JSON all the same."""

    def select_parser(self, request: Request, parsers: Any) -> Any:  # noqa: ARG002  the framework's signature
        """Return the first parser."""
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:  # noqa: ARG002
        """Return the first renderer."""
        return renderers[0], renderers[0].media_type


class MetricsView(APIView):
    """The figures as text."""

    permission_classes = [IsOperatorOrLocal]
    renderer_classes = [JsonRenderer]
    content_negotiation_class = _AlwaysJson

    def get(self, _request: Request) -> HttpResponse:
        """Answer with all figures, fresh."""
        return HttpResponse(
            generate_latest(FEED_REGISTRY) + generate_latest(REGISTRY),
            content_type=CONTENT_TYPE_LATEST,
            headers={"Cache-Control": "no-store"},
        )

    def permission_denied(self, request: Request, message: str | None = None, code: str | None = None) -> NoReturn:  # noqa: ARG002
        """Refuse with 403 also who is not logged in: logging in is not what is asked of a scraper."""
        raise PermissionDenied(detail=message)
