"""Maps errors to HTTP: RFC 9457 problem details.

Every problem has `type`, `title`, `status`, `detail`, `code` and `instance`. `code` is the stable name for programs, so
`type` is about:blank. Other packages raise typed errors and know no HTTP. An unexpected error becomes a plain 500, with
its traceback in the log only. Outside of /api/ a browser gets a page instead (`terminal.error_pages`).
"""

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from rest_framework import exceptions
from rest_framework.response import Response

from marketdata.domain.errors import DomainError
from marketdata.quote_board import BoardError
from terminal import error_pages
from terminal.renderers import encode_json
from terminal.storage import is_refusal, refusals

logger = logging.getLogger(__name__)

PROBLEM_TYPE: Final = "application/problem+json"
# Chosen: about the time of a restart of the database or Redis; faster polling would only add load.
RETRY_AFTER_SECONDS: Final = 2

# The HTTP status of every DomainError, by its code. A code without an entry raises KeyError: a 500, and a failing test.
STATUS_OF: Final[Mapping[str, HTTPStatus]] = {
    "contradictory_expiry": HTTPStatus.BAD_REQUEST,
    "contradictory_strike": HTTPStatus.BAD_REQUEST,
    "malformed_date": HTTPStatus.BAD_REQUEST,
    "past_expiry": HTTPStatus.BAD_REQUEST,
    "query_too_long": HTTPStatus.BAD_REQUEST,
    "wrong_instrument_type": HTTPStatus.BAD_REQUEST,
    "wrong_width": HTTPStatus.BAD_REQUEST,
    "no_options": HTTPStatus.NOT_FOUND,
    "not_subscribed": HTTPStatus.NOT_FOUND,
    "unknown_claim": HTTPStatus.NOT_FOUND,
    "unknown_entry": HTTPStatus.NOT_FOUND,
    "unknown_expiry": HTTPStatus.NOT_FOUND,
    "unknown_layout": HTTPStatus.NOT_FOUND,
    "unknown_list": HTTPStatus.NOT_FOUND,
    "unknown_strike": HTTPStatus.NOT_FOUND,
    "unknown_symbol": HTTPStatus.NOT_FOUND,
    "ambiguous_entry": HTTPStatus.CONFLICT,
    "ambiguous_symbol": HTTPStatus.CONFLICT,
    "capacity": HTTPStatus.CONFLICT,
    "duplicate_entry": HTTPStatus.CONFLICT,
    "duplicate_layout": HTTPStatus.CONFLICT,
    "duplicate_list": HTTPStatus.CONFLICT,
    "last_list": HTTPStatus.CONFLICT,
    "list_not_empty": HTTPStatus.CONFLICT,
    "no_price": HTTPStatus.CONFLICT,
    "no_spot": HTTPStatus.CONFLICT,
    "quota": HTTPStatus.CONFLICT,
    "no_candles": HTTPStatus.SERVICE_UNAVAILABLE,
    "too_many_layouts": HTTPStatus.CONFLICT,
    "too_many_lists": HTTPStatus.CONFLICT,
    "placement_busy": HTTPStatus.SERVICE_UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One error, for programs (`status`, `code`, `extra`) and for people (`detail`)."""

    status: int
    code: str
    detail: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, instance: str) -> dict[str, Any]:
        """Return the members of the answer; `extra` never overrides the standard ones."""
        members = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "instance": instance,
        }
        return {**members, **{name: value for name, value in self.extra.items() if name not in members}}


def problem_response(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return the response for an exception of an API view; None for an unexpected one, which becomes a 500."""
    problem = problem_of(error)
    if problem is None:
        return None
    request = context["request"]
    renderer = getattr(request, "accepted_renderer", None)
    # The browsable API renders the same body as a page; only the JSON answer has the problem type.
    content_type = PROBLEM_TYPE if renderer is None or renderer.format == "json" else None
    return Response(
        problem.body(request.path), status=problem.status, headers=dict(problem.headers), content_type=content_type
    )


def problem_of(error: BaseException | None) -> Problem | None:
    """Return the problem for `error`; None if it is unexpected."""
    match error:
        case DomainError():
            status = STATUS_OF[error.code]
            return Problem(status, error.code, str(error), error.extra, _retry_headers(status))
        case DatabaseError() if is_refusal(error):
            logger.error("the database refused a write, its disk may be full: %s", error)
            refusals.note()
            return _unavailable("database_unavailable", "The database cannot store that now. Try again in a moment.")
        case OperationalError() | InterfaceError():
            logger.warning("database unavailable: %s", error)
            return _unavailable("database_unavailable", "The database does not answer. Try again in a moment.")
        case BoardError():
            logger.warning("redis unavailable: %s", error)
            return _unavailable("redis_unavailable", "Live data is not reachable. Try again in a moment.")
        case Http404():
            return Problem(404, "not_found", "There is nothing here.")
        case PermissionDenied():
            return Problem(403, "permission_denied", str(error) or "You may not do this.")
        case exceptions.APIException():
            return _framework_problem(error)
        case _:
            return None


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:  # noqa: ARG001  Django's signature.
    """Answer 404: a problem under /api/, else a page."""
    if _is_api(request):
        return _plain_response(Problem(404, "not_found", f"There is nothing at {request.path}."), request)
    return error_pages.render(error_pages.NOT_FOUND)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:  # noqa: ARG001  Django's signature.
    """Answer 400 for a request that Django cannot parse."""
    if _is_api(request):
        return _plain_response(Problem(400, "bad_request", "The request cannot be read."), request)
    return error_pages.render(error_pages.BAD_REQUEST)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:  # noqa: ARG001  Django's signature.
    """Answer 403 for a request that Django rejects, for instance without a CSRF token."""
    if _is_api(request):
        return _plain_response(Problem(403, "permission_denied", "You may not do this."), request)
    return error_pages.render(error_pages.PERMISSION_DENIED)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:  # noqa: ARG001  Django's signature.
    """Answer 403 for a form without a valid CSRF token; Django logs the reason."""
    if _is_api(request):
        return _plain_response(Problem(403, "permission_denied", "The CSRF token is missing or wrong."), request)
    return error_pages.render(error_pages.FORM_EXPIRED)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Answer 503 if a server does not respond, else 500; details are in the log only."""
    problem = problem_of(sys.exc_info()[1])
    if _is_api(request):
        return _plain_response(problem or Problem(500, "internal_error", "Something failed on our side."), request)
    if problem is not None and problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return error_pages.render(error_pages.unavailable(problem.detail), headers=problem.headers)
    return error_pages.render(error_pages.INTERNAL_ERROR)


def _framework_problem(error: exceptions.APIException) -> Problem:
    headers: dict[str, str] = {}
    wait = getattr(error, "wait", None)  # seconds, of Throttled
    if wait is not None:
        headers["Retry-After"] = str(ceil(wait))
    challenge = getattr(error, "auth_header", None)
    if challenge:
        headers["WWW-Authenticate"] = challenge
    if isinstance(error, exceptions.ValidationError):
        return _invalid(error.detail)
    code = error.detail.code if isinstance(error.detail, exceptions.ErrorDetail) else error.default_code
    return Problem(error.status_code, code or "error", str(error.detail), headers=headers)


def _invalid(found: Any) -> Problem:
    """Return the problem for an invalid body or query: all sentences by field, and the first of each in `detail`."""
    errors = found if isinstance(found, dict) else {"non_field_errors": found}
    sentences = [
        str(said[0]) if name == "non_field_errors" else f"{name}: {said[0]}"
        for name, said in errors.items()
        if isinstance(said, list) and said
    ]
    return Problem(400, "invalid", " ".join(sentences) or "The request is not valid.", {"errors": errors})


def _unavailable(code: str, detail: str) -> Problem:
    return Problem(503, code, detail, headers=_retry_headers(503))


def _retry_headers(status: int) -> dict[str, str]:
    return {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}


def _plain_response(problem: Problem, request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        encode_json(problem.body(request.path)),
        status=problem.status,
        content_type=PROBLEM_TYPE,
        headers=dict(problem.headers),
    )


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")
