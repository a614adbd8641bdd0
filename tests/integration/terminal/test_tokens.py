"""API tokens, from login to logout, and CSRF where a browser session is the login."""

from datetime import timedelta

import pytest
from django.db.models import Count
from django.test import Client
from django.utils import timezone
from knox.models import get_token_model
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import User

pytestmark = pytest.mark.django_db

PASSWORD = "correct-horse-battery"


@pytest.fixture
def asha() -> User:
    return User.objects.create_user("asha", password=PASSWORD)


def token_of(user: User) -> str:
    answer = APIClient().post("/api/v2/auth/token", {"username": user.username, "password": PASSWORD})
    assert answer.status_code == 201, answer.content
    token: str = answer.json()["token"]
    return token


def with_token(token: str) -> APIClient:
    client = APIClient(enforce_csrf_checks=True)
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    return client


def test_a_password_login_returns_a_token(asha: User) -> None:
    answer = APIClient().post("/api/v2/auth/token", {"username": "asha", "password": PASSWORD})

    assert answer.status_code == 201
    assert answer.json()["user"] == {"id": asha.pk, "username": "asha"}
    assert len(answer.json()["token"]) == 64
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("login", "status", "code"),
    [
        ({"username": "asha", "password": "wrong"}, 401, "authentication_failed"),
        ({"username": "nobody", "password": PASSWORD}, 401, "authentication_failed"),
        ({}, 401, "authentication_failed"),
        ({"username": "asha"}, 400, "invalid"),
        ({"username": "a\x00b", "password": "x"}, 400, "invalid"),
    ],
)
def test_a_wrong_login_returns_no_token(asha: User, login: dict[str, str], status: int, code: str) -> None:
    answer = APIClient().post("/api/v2/auth/token", login)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "Token" in answer.get("WWW-Authenticate", "Token")
    assert get_token_model().objects.filter(user=asha).count() == 0


def test_a_login_session_gets_a_token_only_with_its_csrf_token(asha: User) -> None:
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(asha)

    refused = browser.post("/api/v2/auth/token", {})
    browser.cookies["csrftoken"] = "a" * 32
    accepted = browser.post("/api/v2/auth/token", {}, headers={"X-CSRFToken": "a" * 32})

    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert accepted.status_code == 201


def test_a_token_cannot_request_another_token(asha: User) -> None:
    answer = with_token(token_of(asha)).post("/api/v2/auth/token", {})

    assert answer.status_code == 401


def test_a_token_needs_no_csrf_and_ends_at_logout(asha: User) -> None:
    client = with_token(token_of(asha))

    first = client.post("/api/v2/auth/logout")
    second = client.post("/api/v2/auth/logout")

    assert first.status_code == 204
    assert (second.status_code, second["WWW-Authenticate"]) == (401, "Token")


def test_a_login_session_ends_at_logout(asha: User) -> None:
    browser = APIClient()
    browser.force_login(asha)

    assert browser.post("/api/v2/auth/logout").status_code == 204
    assert browser.post("/api/v2/auth/logout").status_code == 401


def test_the_token_of_an_inactive_user_is_refused(asha: User) -> None:
    client = with_token(token_of(asha))
    asha.is_active = False
    asha.save(update_fields=["is_active"])

    assert client.post("/api/v2/auth/logout").status_code == 401


def test_a_token_is_read_with_its_user_in_one_query(
    asha: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = with_token(token_of(asha))

    # The page of the API root reads nothing else.
    with django_assert_num_queries(1):
        assert client.get("/api/v2/").status_code == 200


def test_an_expired_token_is_refused_and_deleted(asha: User) -> None:
    client = with_token(token_of(asha))
    get_token_model().objects.update(expiry=timezone.now() - timedelta(seconds=1))

    assert client.get("/api/v2/").status_code == 401
    assert not get_token_model().objects.exists()


def test_a_new_token_deletes_the_expired_ones_of_its_user(asha: User) -> None:
    get_token_model().objects.create(user=User.objects.create_user("vikram"), expiry=timedelta(seconds=-1))
    get_token_model().objects.create(user=asha, expiry=timedelta(seconds=-1))
    get_token_model().objects.create(user=asha, expiry=None)

    token_of(asha)

    counts = get_token_model().objects.values_list("user__username").annotate(count=Count("pk"))
    assert dict(counts) == {"asha": 2, "vikram": 1}


def test_a_form_body_is_refused(asha: User) -> None:
    answer = Client().post("/api/v2/auth/token", {"username": "asha", "password": PASSWORD})

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_the_browsable_api_renders(asha: User) -> None:
    browser = APIClient()
    browser.force_login(asha)

    answer = browser.get("/api/v2/auth/token", headers={"Accept": "text/html"})

    assert answer.status_code == 405
    assert answer["Content-Type"].startswith("text/html")
    assert b"method_not_allowed" in answer.content
