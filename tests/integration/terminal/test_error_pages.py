"""Pages for browsers whose request failed, through the whole chain of middleware, with the settings of production.

Most tests have no database: a query would fail them, so the pages need none.
"""

from typing import NoReturn

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest
from django.test import Client
from django.urls import path
from pytest_django import Settings

from marketdata.quote_board import BoardError
from terminal import urls
from tests.factories import PASSWORD, make_user


def raise_bug(_request: HttpRequest) -> NoReturn:
    raise RuntimeError("password=hunter2")


def raise_refusal(_request: HttpRequest) -> NoReturn:
    raise PermissionDenied("a reason of ours")


def lose_database(_request: HttpRequest) -> NoReturn:
    raise OperationalError("connection to 10.0.0.1 refused")


def lose_redis(_request: HttpRequest) -> NoReturn:
    raise BoardError("Error 111 connecting to 10.0.0.2")


urlpatterns = [
    *urls.urlpatterns,
    path("bug", raise_bug),
    path("refused", raise_refusal),
    path("lost", lose_database),
    path("unreachable", lose_redis),
    path("api/v2/bug", raise_bug),
]
handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500


@pytest.fixture
def browser(settings: Settings) -> Client:
    """Return a browser that gets the answers of production, also for an exception."""
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


def text_of(browser: Client, where: str, *, status: int) -> str:
    answer = browser.get(where)
    assert answer.status_code == status
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert answer["Cache-Control"] == "no-store"
    page = answer.content.decode()
    assert page.startswith("<!doctype html>")
    assert 'href="/">Back to the terminal</a>' in page
    assert "watchlists/tokens.css" in page
    return page


@pytest.mark.django_db
def test_an_unknown_address_is_said_not_to_exist(browser: Client) -> None:
    browser.force_login(make_user("trader1"))

    assert "This page does not exist" in text_of(browser, "/nowhere", status=404)


def test_a_page_without_permission_says_who_can_grant_it(browser: Client) -> None:
    page = text_of(browser, "/refused", status=403)

    assert "An operator can grant the permission." in page
    assert "a reason of ours" not in page


def test_a_bug_shows_when_it_happened_and_nothing_of_its_cause(browser: Client) -> None:
    page = text_of(browser, "/bug", status=500)

    assert "Something failed on our side" in page
    assert " IST</p>" in page
    assert "hunter2" not in page


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("/lost", "The database does not answer. Try again in a moment."),
        ("/unreachable", "Live data is not reachable. Try again in a moment."),
    ],
)
def test_a_server_that_does_not_answer_is_named_without_its_address(browser: Client, where: str, sentence: str) -> None:
    page = text_of(browser, where, status=503)

    assert sentence in page
    assert "10.0.0" not in page
    assert browser.get(where)["Retry-After"] == "2"


def test_a_request_under_a_foreign_name_is_refused_with_a_page(browser: Client) -> None:
    answer = browser.get("/", headers={"Host": "evil.example"})

    assert answer.status_code == 400
    assert "This request cannot be read" in answer.content.decode()


@pytest.mark.django_db
def test_a_form_without_its_csrf_token_says_that_nothing_was_changed(browser: Client) -> None:
    make_user("trader1")

    answer = browser.post("/login/", {"username": "trader1", "password": PASSWORD})

    assert answer.status_code == 403
    assert "This form is out of date" in answer.content.decode()
    assert "sessionid" not in browser.cookies


def test_errors_of_the_api_stay_json(browser: Client) -> None:
    missing, failed = browser.get("/api/v2/nowhere"), browser.get("/api/v2/bug")

    assert {one["Content-Type"] for one in (missing, failed)} == {"application/problem+json"}
    assert (missing.json()["code"], failed.json()["code"]) == ("not_found", "internal_error")
