"""Pages for a browser whose request failed: what happened in a trader's words, whether it changed anything, a way back.

They are rendered without a request, so without context processors, session and user: the database or the cause of the
failure may be in any of them. The theme is the one that the browser remembers (`watchlists/theme.js`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.http import HttpResponse
from django.template import loader
from django.utils import timezone

from marketdata.domain.sessions import IST

TEMPLATE: Final = "error.html"


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """The text of one page. With `has_time` it states when it failed, by which an operator finds it in the log."""

    status: int
    title: str
    sentence: str
    has_time: bool = False


NOT_FOUND: Final = ErrorPage(
    404, "This page does not exist", "The address may be mistyped, or the page was at this address before."
)
BAD_REQUEST: Final = ErrorPage(
    400, "This request cannot be read", "Nothing was changed. Open the terminal again from its usual address."
)
PERMISSION_DENIED: Final = ErrorPage(
    403, "You may not open this page", "Your account has no permission for it. An operator can grant the permission."
)
FORM_EXPIRED: Final = ErrorPage(
    403,
    "This form is out of date",
    "Nothing was changed. You may have logged in or out in another tab since the form was opened, or the browser blocks"
    " cookies. Go back, reload the page and send the form again.",
)
INTERNAL_ERROR: Final = ErrorPage(
    500,
    "Something failed on our side",
    "The failure is in the log. Try again; if it fails again, give an operator this time:",
    has_time=True,
)


def unavailable(sentence: str) -> ErrorPage:
    """Return the page for a server that does not answer; `sentence` says which."""
    return ErrorPage(503, "The terminal cannot do this now", sentence, has_time=True)


def render(page: ErrorPage, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return the answer with this page. Reads no request and no server."""
    failed_at = f"{timezone.now().astimezone(IST):%d %b %Y, %H:%M:%S} IST" if page.has_time else ""
    body = loader.render_to_string(TEMPLATE, {"page": page, "failed_at": failed_at})
    # An error of now must not be shown again from the cache once its cause has gone.
    return HttpResponse(body, status=page.status, headers={"Cache-Control": "no-store", **(headers or {})})
