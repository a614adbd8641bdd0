"""Every address is on the public list or refuses anonymous requests."""

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from accounts.models import User

# Address -> statuses of anonymous requests. Each line states its reason.
PUBLIC = {
    "health": {200, 503},  # for load balancers; contains no secret
    "ready": {200, 503},  # for load balancers; contains no secret
    "metrics": {200},  # the test client is on loopback; test_metrics.py covers remote addresses
    "login/": {200},
    "logout/": {302},  # a POST; an anonymous request has no login session to end
    "admin/login/": {200},
    "admin/logout/": {302},
    "admin/jsi18n/": {200, 302},
    "api/v2/auth/token": {401, 415},  # returns a token for a password; refuses requests without one and forms
}
SAMPLES = {"user_id": "me", "symbol": "NIFTY", "token": "RELIANCE", "app_label": "accounts", "url": "nowhere"}
REFUSED = {302, 401, 403}


def addresses(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, route)
        else:
            yield route


def sample_path(route: str) -> str:
    """Return a path that matches the route."""
    path = route.replace("^", "").replace("$", "").replace("\\Z", "")
    parts = []
    for part in path.split("/"):
        name = part.strip("<>").partition(":")[2] or part.strip("<>")
        parts.append(SAMPLES.get(name, "1") if part.startswith("<") else part)
    return "/".join(parts)


ROUTES = sorted({one for one in addresses(get_resolver().url_patterns) if "(?P" not in one})


def test_the_list_of_routes_contains_known_routes() -> None:
    assert {"api/v2/watchlist/add", "api/v2/subscriptions/status", "health", "admin/"} <= set(ROUTES)


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_anonymous_request_is_refused_on_every_route_that_is_not_public(
    method: str, own_board: str, subtests: pytest.Subtests
) -> None:
    for route in ROUTES:
        with subtests.test(route=route):
            answer = getattr(Client(), method)("/" + sample_path(route))

            assert answer.status_code in PUBLIC.get(route, REFUSED) | {405}
            if answer.status_code == 302 and route not in PUBLIC:
                assert "login" in answer["Location"]


@pytest.mark.django_db
def test_a_trader_is_redirected_from_every_admin_page_to_the_login(subtests: pytest.Subtests) -> None:
    browser = Client()
    browser.force_login(User.objects.create_user("asha"))

    for route in [one for one in ROUTES if one.startswith("admin/") and one not in PUBLIC]:
        with subtests.test(route=route):
            answer = browser.get("/" + sample_path(route))

            assert (answer.status_code, "login" in answer.get("Location", "")) == (302, True)


@pytest.mark.django_db
def test_the_browsable_api_renders_every_status(own_board: str, subtests: pytest.Subtests) -> None:
    browser = APIClient()
    browser.force_login(User.objects.create_user("asha"))

    for route in [one for one in ROUTES if one.startswith("api/")]:
        with subtests.test(route=route):
            answer = browser.get("/" + sample_path(route), headers={"Accept": "text/html"})

            assert answer.status_code < 500
            assert answer.status_code != 429, "the rate limit hides the status of the route"
            assert answer["Content-Type"].startswith("text/html")


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/v2/nowhere", "/api/v1/watchlist/add", "/api/"])
def test_an_unknown_address_of_the_api_is_answered_with_a_json_problem(path: str) -> None:
    answer = Client().get(path)

    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "not_found"


@pytest.mark.django_db
def test_an_unknown_page_is_answered_with_an_html_page() -> None:
    answer = Client().get("/nowhere")

    assert (answer.status_code, answer["Content-Type"].split(";")[0]) == (404, "text/html")


@pytest.mark.django_db
def test_only_the_documented_methods_are_allowed() -> None:
    client = APIClient()
    client.force_login(User.objects.create_user("asha"))

    answer = client.delete("/api/v2/watchlist/me")

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer["Allow"] == "GET, HEAD, OPTIONS"
