"""The access token with PostgreSQL: storage, the token of the environment, status, key rotation, secrecy."""

import logging
from collections.abc import Iterator
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from pytest_django import Settings

from marketdata import selectors, services
from marketdata.dhan.credentials import Credentials
from marketdata.dhan.sealing import TokenKeysMissing, TokenUnreadable
from marketdata.dhan.tokens import TokenMalformed
from marketdata.models import BrokerSession
from marketdata.selectors import TokenSource
from marketdata.services import Renewal
from tests.brokers import Broker
from tests.integration.marketdata.broker_accounts import (
    HOUR,
    KEY,
    NEW,
    NOW,
    OLD,
    PIN,
    TOTP_SECRET,
    US,
    generate_by_pin,
    name_in_environment,
    running_account_broker,
    store,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def broker(settings: Settings) -> Iterator[Broker]:
    with running_account_broker(settings) as broker:
        yield broker


def test_a_stored_token_can_be_read_and_is_never_stored_unencrypted() -> None:
    store(OLD, now=NOW)

    assert selectors.read_credentials() == Credentials(US, OLD)
    row = BrokerSession.objects.values().get()
    assert (row["last_four"], row["expires_at"], row["stored_by"]) == ("aaaa", NOW + HOUR, "staff")
    assert OLD not in repr(row)
    assert OLD not in str(BrokerSession.objects.get())


def test_a_new_token_deletes_the_ciphertext_of_all_but_the_previous_one() -> None:
    store("an-opaque-token-cccc", now=NOW)
    store(OLD, now=NOW)
    store(NEW, now=NOW)

    assert selectors.read_credentials() == Credentials(US, NEW)
    earlier, previous, current = BrokerSession.objects.order_by("pk")
    assert (earlier.is_current, earlier.is_previous, earlier.token_sealed, earlier.last_four) == (
        False,
        False,
        "",
        "cccc",
    )
    assert (previous.is_current, previous.is_previous, previous.last_four) == (False, True, "aaaa")
    assert OLD not in previous.token_sealed
    assert current.is_current


def test_a_token_that_is_expired_or_cannot_be_encrypted_is_not_stored(settings: Settings) -> None:
    with pytest.raises(TokenMalformed, match="expired"):
        store(OLD, now=NOW + 2 * HOUR)
    settings.TOKEN_KEYS = []
    with pytest.raises(TokenKeysMissing, match="TOKEN_KEYS"):
        store(OLD, now=NOW)

    assert not BrokerSession.objects.exists()


def test_the_token_of_the_environment_is_used_until_staff_store_one(settings: Settings) -> None:
    name_in_environment(settings, OLD)
    assert selectors.read_credentials() == Credentials(US, OLD)
    assert selectors.get_access_token_status(now=NOW - 5 * HOUR).source is TokenSource.ENVIRONMENT

    store(NEW, now=NOW)

    assert selectors.read_credentials() == Credentials(US, NEW)
    assert selectors.get_access_token_status(now=NOW).source is TokenSource.STORED


def test_a_changed_token_of_the_environment_is_used_again_unless_it_is_older(settings: Settings) -> None:
    name_in_environment(settings, "opaque-of-yesterday")
    store(NEW, now=NOW)

    name_in_environment(settings, "opaque-of-today")
    assert selectors.read_credentials() == Credentials(US, "opaque-of-today")

    name_in_environment(settings, OLD)
    assert selectors.read_credentials() == Credentials(US, NEW)


def test_the_status_reports_a_missing_token(settings: Settings) -> None:
    assert selectors.read_credentials() is None
    token_status = selectors.get_access_token_status(now=NOW)
    assert (token_status.expires_at, token_status.last_four, token_status.source, token_status.method) == (
        None,
        "",
        TokenSource.NONE,
        "",
    )
    assert "There is no access token" in token_status.problem


def test_a_wrong_key_is_an_error_that_names_the_setting(settings: Settings) -> None:
    store(OLD, now=NOW)
    settings.TOKEN_KEYS = [Fernet.generate_key().decode()]

    with pytest.raises(TokenUnreadable, match="TOKEN_KEYS"):
        selectors.read_credentials()
    assert "TOKEN_KEYS" in selectors.get_access_token_status(now=NOW).problem
    assert services.renew_token(now=NOW) is Renewal.FAILED


def test_a_token_without_a_known_expiry_is_no_problem_and_gets_no_expiry(settings: Settings) -> None:
    name_in_environment(settings, "a-long-opaque-token")

    token_status = selectors.get_access_token_status(now=NOW)

    assert (token_status.expires_at, token_status.problem, token_status.last_four) == (None, "", "oken")


def test_an_expired_token_is_a_problem() -> None:
    store(OLD, now=NOW)

    assert "expired at 20 Nov 11:00:00 IST" in selectors.get_access_token_status(now=NOW + HOUR).problem


def test_a_command_encrypts_all_tokens_with_the_first_key(settings: Settings) -> None:
    store(OLD, now=NOW)
    new_key = Fernet.generate_key().decode()
    settings.TOKEN_KEYS = [new_key, KEY]
    output = StringIO()

    call_command("rotate_token_keys", stdout=output)

    assert output.getvalue() == "1 stored access token encrypted with the first key.\n"
    settings.TOKEN_KEYS = [new_key]
    assert selectors.read_credentials() == Credentials(US, OLD)
    settings.TOKEN_KEYS = [KEY]
    with pytest.raises(CommandError, match="TOKEN_KEYS"):
        call_command("rotate_token_keys", stdout=output)


def test_secrets_in_an_error_of_the_broker_are_not_passed_on(broker: Broker, settings: Settings) -> None:
    store(OLD, now=NOW)
    broker.answer(401, {"errorCode": "DH-901", "errorMessage": f"{OLD} is invalid"})
    assert services.renew_token(now=NOW) is Renewal.FAILED
    assert "*** is invalid" in selectors.get_access_token_status(now=NOW).problem

    generate_by_pin(settings)
    broker.answer(400, {"errorCode": "DH-905", "errorMessage": f"Invalid Pin {PIN}"})
    assert services.renew_token(now=NOW + HOUR) is Renewal.FAILED
    assert "Invalid Pin ***" in selectors.get_access_token_status(now=NOW).problem


def test_no_log_and_no_error_contains_a_secret(
    broker: Broker, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    generate_by_pin(settings)
    store(OLD, now=NOW)
    broker.answer(401, {"errorCode": "DH-901", "errorMessage": "invalid or expired"})
    services.renew_token(now=NOW)
    broker.answer(200, {"accessToken": NEW})
    assert services.renew_token(now=NOW + HOUR) is Renewal.DONE

    shown = caplog.text + repr(selectors.get_broker_login()) + str(BrokerSession.objects.values_list())
    assert not [secret for secret in (OLD, NEW, PIN, TOTP_SECRET) if secret in shown]
