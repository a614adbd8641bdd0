"""Every answer has a Content-Security-Policy, and the pages fit theirs."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from terminal.content_security import HEADER, policy_for
from tests.factories import make_user

pytestmark = pytest.mark.django_db

PAGES = ("/", "/scanner/", "/settings", "/settings/password", "/status", "/nowhere", "/login/")
FRAMEWORK_PAGES = ("/admin/", "/admin/django_celery_beat/periodictask/add/", "/api/v2/")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_the_strict_policy_and_no_inline_code(client: Client, own_board: str, path: str) -> None:
    if path != "/login/":
        client.force_login(make_user("trader1"))

    answer = client.get(path)

    page = answer.content.decode()
    assert answer[HEADER] == policy_for("/", host="testserver")
    assert "unsafe" not in answer[HEADER]
    assert page.startswith("<!doctype html>")
    assert not re.findall(r"<script(?![^>]*(?:\bsrc=|application/json))", page)
    assert not re.findall(r"<style|\sstyle=|\son\w+=", page)


@pytest.mark.parametrize("path", FRAMEWORK_PAGES)
def test_a_page_of_a_framework_runs_no_inline_script(admin_client: Client, path: str) -> None:
    answer = admin_client.get(path, headers={"Accept": "text/html"})

    page = answer.content.decode()
    assert answer.status_code == 200
    assert answer[HEADER] == policy_for("/admin/", host="testserver")
    assert "script-src 'self';" in answer[HEADER]
    assert not re.findall(r"<script(?![^>]*(?:\bsrc=|application/json|data-\w+=))", page)
    assert not re.findall(r"\son\w+=", page)


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_answer_without_a_page_has_a_policy_too(client: Client, method: str) -> None:
    for path in (reverse("logout"), "/api/v2/nowhere", "/api/v2/watchlist/me", "/settings/theme"):
        assert getattr(client, method)(path)[HEADER].startswith("default-src 'self'; ")


def test_a_request_under_a_foreign_name_gets_a_policy_without_it(client: Client) -> None:
    answer = client.get("/", headers={"Host": "evil.example"})

    assert answer.status_code == 400
    assert "evil" not in answer[HEADER]
