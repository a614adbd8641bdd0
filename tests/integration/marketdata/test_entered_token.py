"""A token that staff enter, or go back to, is tested at the broker before it takes effect."""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import connection, connections
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from marketdata import selectors, services
from marketdata.dhan.credentials import Credentials
from marketdata.models import BrokerSession
from tests.brokers import Broker
from tests.factories import make_user
from tests.integration.marketdata.broker_accounts import US, make_profile, running_account_broker
from tests.jwts import make_jwt
from tests.simulators import running_simulator
from tests.waiting import wait_until

LIST = "/admin/marketdata/brokersession/"
ADD = f"{LIST}add/"
UNAUTHENTICATED = {
    "errorType": "Invalid_Authentication",
    "errorCode": "DH-901",
    "errorMessage": "Client ID or user generated access token is invalid or expired.",
}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def broker(settings: Settings) -> Iterator[Broker]:
    """A broker that accepts every token of the account."""
    with running_account_broker(settings) as broker:
        broker.answer(200, make_profile())
        yield broker
        broker.may_answer.set()


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root"))
    return client


def make_token(ending: str) -> str:
    expires_at = timezone.now() + timedelta(hours=20)
    return make_jwt(expires_at=expires_at, client_id=US, signature=f"a-signature-{ending}")


def enter(staff: Client, token: str, **fields: Any) -> str:
    """Submit the form; return the page with its errors, empty if the token was accepted."""
    answer = staff.post(ADD, {"client_id": US, "access_token": token, **fields})
    assert answer.status_code in {200, 302}
    return answer.content.decode() if answer.status_code == 200 else ""


def go_back(staff: Client, *rows: BrokerSession) -> str:
    """Choose the action for `rows`; return the message that is shown."""
    answer = staff.post(LIST, {"action": "go_back", "_selected_action": [row.pk for row in rows]})
    return " ".join(str(one) for one in get_messages(answer.wsgi_request))


def row_of(token: str) -> BrokerSession:
    return BrokerSession.objects.filter(last_four=token[-4:]).latest("pk")


def test_the_broker_is_asked_with_the_new_token_before_it_takes_effect(staff: Client, broker: Broker) -> None:
    token = make_token("aaaa")

    assert enter(staff, token) == ""

    assert [path for path, _ in broker.requests] == ["/profile"]
    assert broker.headers[0]["access-token"] == token
    assert selectors.read_credentials() == Credentials(US, token)
    assert LogEntry.objects.get().get_change_message() == "Added."


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_the_broker_is_asked(staff: Client, broker: Broker) -> None:
    broker.may_answer.clear()

    def enter_in_new_database_session() -> str:
        try:
            return enter(staff, make_token("aaaa"))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as thread:
        entered = thread.submit(enter_in_new_database_session)
        wait_until(lambda: bool(broker.requests), seconds=20, message="the broker is asked")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
            )
            (in_transaction,) = cursor.fetchone()
        is_stored = BrokerSession.objects.exists()
        broker.may_answer.set()
        assert entered.result(timeout=20) == ""

    assert (in_transaction, is_stored) == (0, False)


@pytest.mark.parametrize("fields", [{}, {"store_untested": "on"}])
@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, UNAUTHENTICATED, "Client ID or user generated access token is invalid or expired."),
        (
            400,
            {"errorType": "Order_Error", "errorCode": "DH-906", "errorMessage": "Invalid Token {}"},
            "Invalid Token ***",
        ),
        (401, {"data": {"807": "Access token is expired"}, "status": "failed"}, "Access token is expired"),
        (200, make_profile(dhanClientId="2000000002"), "belongs to another client id"),
        (200, make_profile(tokenValidity="01/01/2020 09:15"), "has expired already"),
        (200, make_profile(dataPlan="Deactive"), "has no active data plan"),
    ],
)
def test_a_refused_token_changes_nothing_and_shows_the_message_of_the_broker(
    staff: Client, broker: Broker, status: int, body: dict[str, Any], said: str, fields: dict[str, str]
) -> None:
    before, refused = make_token("aaaa"), "an-opaque-token-that-is-refused"
    enter(staff, before)
    broker.answer(status, json.dumps(body).replace("{}", refused).encode())

    page = enter(staff, refused, **fields)

    assert said in page
    assert "Nothing was changed." in page
    assert refused not in page
    assert selectors.read_credentials() == Credentials(US, before)
    assert BrokerSession.objects.count() == LogEntry.objects.count() == 1


NO_ANSWERS: dict[str, tuple[int, object]] = {
    "an error of the server": (503, b"<html>"),
    "over the rate limit": (429, {"data": {"805": "Too many requests."}, "status": "failed"}),
    "an unknown path": (404, {"status": 404, "error": "Not Found", "path": "/v2/profile"}),
    "no object": (200, b"[]"),
    "no client id": (200, make_profile(dhanClientId=None)),
}


@pytest.mark.parametrize("name", ["in time", *NO_ANSWERS])
def test_without_an_answer_a_token_is_stored_only_if_staff_ask_for_it(staff: Client, broker: Broker, name: str) -> None:
    before, new = make_token("aaaa"), make_token("bbbb")
    enter(staff, before)
    if name in NO_ANSWERS:
        broker.answer(*NO_ANSWERS[name])
    else:
        broker.may_answer.clear()

    page = enter(staff, new)

    assert "The broker did not test this access token" in page
    assert "Nothing was changed." in page
    assert selectors.read_credentials() == Credentials(US, before)
    assert enter(staff, new, store_untested="on") == ""
    assert selectors.read_credentials() == Credentials(US, new)
    assert LogEntry.objects.latest("pk").get_change_message().startswith("Added untested. The broker did not test")


def test_a_malformed_token_is_refused_without_a_request(staff: Client, broker: Broker) -> None:
    assert "has expired already" in enter(staff, make_jwt(expires_at=timezone.now() - timedelta(hours=1)))
    assert "belongs to another client id" in enter(staff, make_jwt(claims={"dhanClientId": "2"}))

    assert broker.requests == []


def test_staff_can_go_back_to_the_previous_token_and_forth(staff: Client, broker: Broker) -> None:
    first, second = make_token("aaaa"), make_token("bbbb")
    enter(staff, first)
    enter(staff, second)
    assert "previous, still stored" in staff.get(LIST).content.decode()

    message = go_back(staff, row_of(first))

    assert message == "The token that ends in aaaa is in force again."
    assert broker.headers[-1]["access-token"] == first
    assert selectors.read_credentials() == Credentials(US, first)
    entry = LogEntry.objects.latest("pk")
    assert (entry.user.get_username(), entry.object_id) == ("root", str(row_of(first).pk))
    assert entry.get_change_message() == "Went back to the token of root."
    go_back(staff, row_of(second))
    assert selectors.read_credentials() == Credentials(US, second)
    assert BrokerSession.objects.exclude(token_sealed="").count() == 2


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, UNAUTHENTICATED, "access token is invalid or expired"),
        (200, make_profile(dhanClientId="2"), "belongs to another client id"),
        (503, {}, "The broker did not test this access token"),
    ],
)
def test_a_previous_token_that_the_broker_does_not_accept_changes_nothing(
    staff: Client, broker: Broker, status: int, body: object, said: str
) -> None:
    first, second = make_token("aaaa"), make_token("bbbb")
    enter(staff, first)
    enter(staff, second)
    broker.answer(status, body)

    message = go_back(staff, row_of(first))

    assert said in message
    assert "Nothing was changed." in message
    assert selectors.read_credentials() == Credentials(US, second)
    assert LogEntry.objects.count() == 2


def test_only_the_row_of_a_previous_token_that_is_still_valid_can_be_chosen(staff: Client, broker: Broker) -> None:
    first, second = make_token("aaaa"), make_token("bbbb")
    enter(staff, first)
    enter(staff, second)
    requests = len(broker.requests)

    assert "Choose one row: the previous token's" in go_back(staff, row_of(second))
    assert "Choose one row: the previous token's" in go_back(staff, row_of(first), row_of(second))
    BrokerSession.objects.filter(is_previous=True).update(expires_at=timezone.now())
    assert "Choose one row: the previous token's" in go_back(staff, row_of(first))
    assert "previous, still stored" not in staff.get(LIST).content.decode()

    assert selectors.read_credentials() == Credentials(US, second)
    assert len(broker.requests) == requests


def test_going_back_needs_the_permission_to_enter_a_token(staff: Client, client: Client) -> None:
    first, second = make_token("aaaa"), make_token("bbbb")
    enter(staff, first)
    enter(staff, second)
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_brokersession"))
    client.force_login(clerk)

    go_back(client, row_of(first))

    assert selectors.read_credentials() == Credentials(US, second)


def test_staff_can_go_back_to_the_token_of_the_environment(staff: Client, settings: Settings) -> None:
    settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = US, make_token("eeee")
    enter(staff, make_token("aaaa"))

    go_back(staff, row_of(settings.DHAN_ACCESS_TOKEN))

    assert selectors.read_credentials() == Credentials(US, settings.DHAN_ACCESS_TOKEN)


def test_only_one_previous_token_is_stored_and_the_same_one_again_replaces_none(staff: Client) -> None:
    first, second, third = make_token("aaaa"), make_token("bbbb"), make_token("cccc")
    for token in (first, second, third, third):
        enter(staff, token)

    previous = selectors.find_previous_login(now=timezone.now())
    assert previous is not None
    assert previous.credentials == Credentials(US, second)
    assert set(BrokerSession.objects.exclude(token_sealed="").values_list("last_four", flat=True)) == {"bbbb", "cccc"}


def test_a_renewal_deletes_the_previous_token_of_the_account(staff: Client, broker: Broker) -> None:
    enter(staff, make_token("aaaa"))
    enter(staff, make_token("bbbb"))
    BrokerSession.objects.filter(is_current=True).update(expires_at=timezone.now() + timedelta(minutes=30))
    broker.answer(200, {"accessToken": make_token("cccc")})

    assert services.renew_token(now=timezone.now()) is services.Renewal.DONE

    assert selectors.find_previous_login(now=timezone.now()) is None
    assert BrokerSession.objects.exclude(token_sealed="").count() == 1


def test_tokens_of_a_lost_key_are_deleted_when_a_new_one_is_entered(staff: Client, settings: Settings) -> None:
    enter(staff, make_token("aaaa"))
    enter(staff, make_token("bbbb"))
    settings.TOKEN_KEYS = [Fernet.generate_key().decode()]
    assert "TOKEN_KEYS lacks the key" in go_back(staff, row_of("bbbb"))

    third = make_token("cccc")
    assert enter(staff, third) == ""

    assert selectors.read_credentials() == Credentials(US, third)
    assert services.reseal_tokens() == 1


def test_a_token_entered_meanwhile_is_not_replaced(staff: Client) -> None:
    enter(staff, make_token("aaaa"))
    enter(staff, make_token("bbbb"))
    previous = selectors.find_previous_login(now=timezone.now())
    assert previous is not None
    third = make_token("cccc")
    enter(staff, third)

    stored = services.restore_previous_token(previous=previous, restored_by="root", now=timezone.now())

    assert stored is None
    assert selectors.read_credentials() == Credentials(US, third)


def test_no_log_contains_a_tested_token(staff: Client, broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = [make_token("aaaa"), make_token("bbbb"), "an-opaque-token-that-is-refused"]
    enter(staff, tokens[0])
    enter(staff, tokens[1])
    go_back(staff, row_of(tokens[0]))
    broker.answer(401, UNAUTHENTICATED | {"errorMessage": f"{tokens[2]} is invalid"})
    enter(staff, tokens[2])

    text = caplog.text + str(LogEntry.objects.values_list()) + str(BrokerSession.objects.values_list())
    assert "access token entered by root refused: /profile answers 401 DH-901: *** is invalid" in caplog.text
    assert not [token for token in tokens if token in text]


def test_the_simulator_accepts_its_newest_token_and_refuses_the_one_before(staff: Client, settings: Settings) -> None:
    with running_simulator(client_id=US) as simulator:
        settings.DHAN_REST_URL = simulator.rest_url
        first = simulator.new_token()
        assert enter(staff, first) == ""
        second = simulator.new_token()
        assert enter(staff, second) == ""

        message = go_back(staff, row_of(first))

        assert "Invalid Token" in message
        assert "Invalid Token" in enter(staff, first)
        assert selectors.read_credentials() == Credentials(US, second)
