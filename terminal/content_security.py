"""The Content-Security-Policy of every answer: what a page may load, and whom it may contact.

Our own pages run no inline script and no inline style, so text that a page repeats can never become either. The admin
and the browsable API have markup of Django, DRF and their libraries with `style` attributes and elements: for them
inline styles are allowed, inline scripts are not. Django 6 has a middleware for a policy, its long-term release 5.2 has
none; the policy is constant, without nonces, so that a library would replace no more than one function here.
"""

from collections.abc import Mapping
from typing import Final

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_only_middleware

from terminal.process_metrics import Answer

HEADER: Final = "Content-Security-Policy"
SELF: Final = "'self'"
NONE: Final = "'none'"

PAGES: Final[Mapping[str, str]] = {
    "default-src": SELF,
    "script-src": SELF,
    "style-src": SELF,
    "img-src": f"{SELF} data:",
    # Not all browsers count a WebSocket of the same host as 'self', so the middleware names it as well.
    "connect-src": SELF,
    "frame-ancestors": NONE,
    "base-uri": NONE,
    "form-action": SELF,
    "object-src": NONE,
}
"""Of all pages but those with FRAMEWORK_PREFIXES."""

FRAMEWORK_PAGES: Final = {**PAGES, "style-src": f"{SELF} 'unsafe-inline'"}
FRAMEWORK_PREFIXES: Final = ("/admin/", "/api/")


def policy_for(path: str, *, host: str = "") -> str:
    """Return the policy of the page at `path`, with the WebSockets of `host`, which is a name with its port.

    >>> policy_for("/", host="127.0.0.1:8000").split("; ")[4]
    "connect-src 'self' ws://127.0.0.1:8000 wss://127.0.0.1:8000"
    """
    directives = FRAMEWORK_PAGES if path.startswith(FRAMEWORK_PREFIXES) else PAGES
    sockets = f" ws://{host} wss://{host}" if host else ""
    return "; ".join(
        f"{name} {sources}{sockets if name == 'connect-src' else ''}" for name, sources in directives.items()
    )


@sync_only_middleware
def set_policy(get_response: Answer) -> Answer:
    """Set the header on every answer that has none."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = get_response(request)
        response.headers.setdefault(HEADER, policy_for(request.path, host=_host_of(request)))
        return response

    return answer


def _host_of(request: HttpRequest) -> str:
    """Return the name and port of this server as the browser knows it; empty for a name that is not ours."""
    try:
        return request.get_host()
    except DisallowedHost:
        # The answer is a plain 400, which opens no socket.
        return ""
