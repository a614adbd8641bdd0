"""Origin check of WebSocket handshakes: pages of the same host and port, and trusted origins, may connect.

Cookies ignore ports and schemes, so a page of another server on the same machine would be logged in here. Therefore
host and port are compared. The host must also be in ALLOWED_HOSTS.
"""

from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import OriginValidator
from django.conf import settings
from django.http.request import split_domain_port, validate_host


class SameHostOriginValidator:
    """Accepts handshakes of the same host; another origin must be in CSRF_TRUSTED_ORIGINS."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._trusting = OriginValidator(application, settings.CSRF_TRUSTED_ORIGINS)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Check one handshake; a refused one gets 403."""
        headers = {name: value.decode("latin1") for name, value in scope["headers"]}
        is_ours = is_same_host(origin=headers.get(b"origin", ""), host=headers.get(b"host", ""))
        chosen = self._application if is_ours else self._trusting
        return await chosen(scope, receive, send)


def is_same_host(*, origin: str, host: str) -> bool:
    """Whether `origin` is the page of this `host`, port included, and `host` one of ALLOWED_HOSTS."""
    domain, _ = split_domain_port(host)
    is_ours = bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
    return is_ours and urlsplit(origin).netloc.lower() == host.lower()
