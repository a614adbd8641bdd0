"""Staff enter an access token: the permissions, the stored columns, and that no page shows it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from marketdata import selectors
from marketdata.checks import check_token_keys
from marketdata.dhan.credentials import Credentials
from marketdata.models import BrokerSession
from tests.brokers import Broker
from tests.factories import make_user
from tests.integration.marketdata.broker_accounts import US, make_profile, running_account_broker
from tests.jwts import make_jwt

LIST = "/admin/marketdata/brokersession/"
ADD = f"{LIST}add/"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def broker(settings: Settings) -> Iterator[Broker]:
    """A broker that accepts every token of the account."""
    with running_account_broker(settings) as broker:
        broker.answer(200, make_profile())
        yield broker


@pytest.fixture
def token() -> str:
    return make_jwt(expires_at=timezone.now() + timedelta(hours=20), client_id=US, signature="a-signature-zzzz")


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(make_clerk("add_brokersession", "view_brokersession"))
    return client


def make_clerk(*codenames: str) -> User:
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return clerk


def enter(client: Client, token: str, **fields: Any) -> Any:
    return client.post(ADD, {"client_id": US, "access_token": token, **fields})


def test_an_entered_token_becomes_current_and_the_log_records_who_and_when(operator: Client, token: str) -> None:
    assert enter(operator, token).status_code == 302

    assert selectors.read_credentials() == Credentials(US, token)
    row = BrokerSession.objects.get()
    assert (row.stored_by, row.method, row.last_four) == ("clerk", "entered", "zzzz")
    entry = LogEntry.objects.get()
    assert (entry.user.get_username(), entry.object_id) == ("clerk", str(row.pk))
    assert abs(entry.action_time - row.stored_at) < timedelta(minutes=1)


def test_no_page_shows_the_token_again(operator: Client, token: str) -> None:
    followed = operator.post(ADD, {"client_id": US, "access_token": token}, follow=True)
    row = BrokerSession.objects.get()

    pages = [
        followed,
        operator.get(LIST),
        operator.get(f"{LIST}{row.pk}/change/"),
        operator.get(f"{LIST}{row.pk}/history/"),
    ]

    for page in pages:
        text = page.content.decode()
        assert page.status_code == 200
        assert token not in text
        assert row.token_sealed not in text
    assert "zzzz" in pages[1].content.decode()
    assert "zzzz" in pages[2].content.decode()
    assert token not in str(LogEntry.objects.values())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_jwt(expires_at=timezone.now() - timedelta(hours=1)), "has expired already"),
        (lambda: make_jwt(claims={"dhanClientId": "2"}), "belongs to another client id"),
        (lambda: "with a-space-in-the-token", "holds a space"),
    ],
)
def test_an_invalid_token_is_refused_and_not_shown_in_the_response(operator: Client, make: Any, message: str) -> None:
    token = make()

    answer = enter(operator, token)

    assert answer.status_code == 200
    assert message in answer.content.decode()
    assert token not in answer.content.decode()
    assert not BrokerSession.objects.exists()


def test_without_a_key_the_form_names_the_missing_setting(operator: Client, token: str, settings: Settings) -> None:
    settings.TOKEN_KEYS = []

    answer = enter(operator, token)

    assert "TOKEN_KEYS is not set" in answer.content.decode()
    assert token not in answer.content.decode()


def test_a_token_without_a_known_expiry_is_shown_as_such(operator: Client) -> None:
    enter(operator, "an-opaque-token-of-the-simulator")

    assert "unknown (opaque token)" in operator.get(LIST).content.decode()


def test_only_staff_with_the_add_permission_can_enter_a_token(client: Client, token: str) -> None:
    client.force_login(make_clerk("view_brokersession"))

    assert client.get(LIST).status_code == 200
    assert client.get(ADD).status_code == 403
    assert enter(client, token).status_code == 403
    assert not BrokerSession.objects.exists()


def test_a_stored_token_cannot_be_edited_or_deleted(client: Client, token: str) -> None:
    client.force_login(User.objects.create_superuser("root"))
    enter(client, token)
    row = BrokerSession.objects.get()

    assert client.post(f"{LIST}{row.pk}/change/", {"client_id": "2"}).status_code == 403
    assert client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert selectors.read_credentials() == Credentials(US, token)


def test_the_list_and_the_system_check_report_a_wrong_key(
    operator: Client, token: str, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    enter(operator, token)
    settings.TOKEN_KEYS = [Fernet.generate_key().decode()]

    assert "TOKEN_KEYS lacks the key" in operator.get(LIST).content.decode()
    call_command("check", databases=["default"])
    assert "marketdata.W003" in capsys.readouterr().err


def test_the_system_check_refuses_a_real_account_without_a_key(settings: Settings) -> None:
    settings.DHAN_CLIENT_ID, settings.DHAN_REST_URL = US, "https://api.dhan.co/v2"
    assert check_token_keys() == []
    settings.TOKEN_KEYS = []

    (error,) = check_token_keys()

    assert error.id == "marketdata.E001"
    assert "TOKEN_KEYS" in error.msg
    settings.DHAN_REST_URL = "http://127.0.0.1:9/v2"
    assert check_token_keys() == []
