"""Refusals and failures as problem details, through a view that raises a given error."""

import json
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import ClassVar

import pytest
from django.apps import apps
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest
from rest_framework import exceptions
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from marketdata.domain.errors import DomainError
from marketdata.quote_board import BoardError
from terminal import errors
from terminal.settings import BASE_DIR


class NoRoomError(DomainError):
    code: ClassVar[str] = "capacity"


class BusyError(DomainError):
    code: ClassVar[str] = "placement_busy"


def answer_to(error: Exception) -> Response:
    class Raises(APIView):
        authentication_classes = []
        permission_classes = [AllowAny]

        def get(self, _request: Request) -> Response:
            raise error

    response = Raises.as_view()(APIRequestFactory().get("/api/v2/thing"))
    assert isinstance(response, Response)
    response.render()
    return response


def body_of(response: Response) -> dict[str, object]:
    body: dict[str, object] = json.loads(response.content)
    return body


def test_a_domain_error_becomes_a_problem_with_its_code_and_members() -> None:
    response = answer_to(NoRoomError("This chain needs 202 streams; 150 are free.", needed=202, free=150))

    assert response["Content-Type"] == "application/problem+json"
    assert response.status_code == 409
    assert body_of(response) == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "This chain needs 202 streams; 150 are free.",
        "code": "capacity",
        "instance": "/api/v2/thing",
        "needed": 202,
        "free": 150,
    }


def test_every_domain_error_has_a_status_in_the_table() -> None:
    # Import every module of an app: a subclass is registered when its module is imported.
    for app in apps.get_app_configs():
        if (BASE_DIR / app.name).is_dir():
            for module in walk_packages([app.path], f"{app.name}."):
                if ".migrations" not in module.name:
                    import_module(module.name)
    defined = list(_subclasses(DomainError))

    assert {"malformed_date", "placement_busy", "duplicate_entry"} <= {one.code for one in defined}
    assert {one.code for one in defined} == set(errors.STATUS_OF)
    assert [one for one in (DomainError, *defined) if hasattr(one, "status")] == []


def _subclasses(of: type[DomainError]) -> Iterator[type[DomainError]]:
    for one in of.__subclasses__():
        yield one
        yield from _subclasses(one)


def test_extra_members_never_override_the_standard_ones() -> None:
    body = body_of(answer_to(NoRoomError("No room.", detail="nonsense", instance="/elsewhere")))

    assert body["detail"] == "No room."
    assert body["instance"] == "/api/v2/thing"


def test_a_temporary_refusal_carries_retry_after() -> None:
    response = answer_to(BusyError("Others are being placed."))

    assert (response.status_code, response["Retry-After"]) == (503, "2")


@pytest.mark.parametrize("error", [OperationalError("connection refused"), InterfaceError("connection already closed")])
def test_an_unavailable_database_is_503_without_internals(error: Exception) -> None:
    response = answer_to(error)

    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert body_of(response)["code"] == "database_unavailable"
    assert b"connection" not in response.content


def test_an_unavailable_redis_is_503() -> None:
    response = answer_to(BoardError("Error 111 connecting to 127.0.0.1:6379"))

    assert response.status_code == 503
    assert body_of(response)["code"] == "redis_unavailable"
    assert b"6379" not in response.content


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Http404("No Instrument matches"), 404, "not_found"),
        (PermissionDenied("Only staff."), 403, "permission_denied"),
        (exceptions.NotAuthenticated(), 401, "not_authenticated"),
        (exceptions.AuthenticationFailed("Invalid token."), 401, "authentication_failed"),
        (exceptions.PermissionDenied(), 403, "permission_denied"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (exceptions.UnsupportedMediaType("text/csv"), 415, "unsupported_media_type"),
        (exceptions.ParseError("The body is not JSON"), 400, "parse_error"),
    ],
)
def test_refusals_of_the_framework_have_the_same_form(error: Exception, status: int, code: str) -> None:
    response = answer_to(error)

    # Without an authenticator there is no challenge, and the framework answers 403 in place of 401.
    assert response.status_code == (403 if status == 401 else status)
    assert body_of(response)["code"] == code
    assert response["Content-Type"] == "application/problem+json"


def test_invalid_fields_are_listed_with_their_messages() -> None:
    error = exceptions.ValidationError({"symbol": ["This field is required."], "width": ["Too wide.", "Not odd."]})

    body = body_of(answer_to(error))

    assert body["code"] == "invalid"
    assert body["errors"] == {"symbol": ["This field is required."], "width": ["Too wide.", "Not odd."]}
    assert body["detail"] == "symbol: This field is required. width: Too wide."


def test_a_throttled_request_carries_retry_after() -> None:
    response = answer_to(exceptions.Throttled(wait=11.2))

    assert (response.status_code, response["Retry-After"]) == (429, "12")
    assert body_of(response)["code"] == "throttled"


def test_an_unexpected_error_is_left_to_the_log() -> None:
    assert errors.problem_response(RuntimeError("secret"), {"request": HttpRequest()}) is None


def test_an_internal_error_exposes_no_internals() -> None:
    request = APIRequestFactory().get("/api/v2/thing")

    try:
        raise RuntimeError("password=hunter2")
    except RuntimeError:
        response = errors.server_error(request)

    assert response.status_code == 500
    assert json.loads(response.getvalue())["code"] == "internal_error"
    assert b"hunter2" not in response.getvalue()


def test_a_database_lost_outside_a_view_is_still_503() -> None:
    request = APIRequestFactory().get("/api/v2/thing")

    try:
        raise OperationalError("server closed the connection")
    except OperationalError:
        response = errors.server_error(request)

    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert json.loads(response.getvalue())["code"] == "database_unavailable"


def test_an_unknown_address_of_the_api_is_a_problem() -> None:
    response = errors.not_found(APIRequestFactory().get("/api/v2/nowhere"), Http404())

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert json.loads(response.getvalue())["detail"] == "There is nothing at /api/v2/nowhere."
