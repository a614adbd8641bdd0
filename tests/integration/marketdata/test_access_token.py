"""The access token with PostgreSQL and a broker on loopback: storage, renewal, refusal, key rotation."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
import redis.asyncio
from cryptography.fernet import Fernet
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from pytest_django import Settings

from marketdata import selectors, services
from marketdata.dhan.credentials import Credentials
from marketdata.dhan.sealing import TokenKeysMissing, TokenUnreadable
from marketdata.dhan.tokens import TokenMalformed
from marketdata.domain.feed import ConnectionState
from marketdata.models import BrokerSession
from marketdata.selectors import TokenSource
from marketdata.services import Renewal
from marketdata.tasks import renew_broker_token
from tests.brokers import Broker
from tests.integration.marketdata.broker_accounts import HOUR, KEY, NOW, US, running_account_broker, store
from tests.integration.marketdata.streaming.frame_publishers import FramePublisher
from tests.jwts import make_jwt

OLD = make_jwt(expires_at=NOW + HOUR, client_id=US, signature="the-old-one-aaaa")
NEW = make_jwt(expires_at=NOW + 24 * HOUR, client_id=US, signature="the-new-one-bbbb")
PIN, TOTP_SECRET = "428913", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def broker(settings: Settings) -> Iterator[Broker]:
    with running_account_broker(settings) as broker:
        yield broker


def name_in_environment(settings: Settings, token: str) -> None:
    settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = US, token


def generate_by_pin(settings: Settings) -> None:
    settings.DHAN_CLIENT_ID, settings.DHAN_PIN, settings.DHAN_TOTP_SECRET = US, PIN, TOTP_SECRET


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


def test_a_token_is_renewed_only_shortly_before_it_expires(broker: Broker) -> None:
    store(OLD, now=NOW)
    broker.answer(200, {"dhanClientId": US, "accessToken": NEW, "expiryTime": "2026-11-21T10:00:00"})

    assert services.renew_token(now=NOW - 2 * HOUR) is Renewal.NOT_DUE
    assert services.renew_token(now=NOW) is Renewal.DONE
    assert services.renew_token(now=NOW) is Renewal.NOT_DUE

    assert [path for path, _ in broker.requests] == ["/RenewToken"]
    assert (broker.headers[0]["access-token"], broker.headers[0]["dhanclientid"]) == (OLD, US)
    assert selectors.read_credentials() == Credentials(US, NEW)
    token_status = selectors.get_access_token_status(now=NOW)
    assert (token_status.expires_at, token_status.last_four, token_status.method, token_status.problem) == (
        NOW + 24 * HOUR,
        "bbbb",
        "renewed",
        "",
    )


def test_a_token_of_the_environment_is_renewed(broker: Broker, settings: Settings) -> None:
    name_in_environment(settings, OLD)
    broker.answer(200, {"token": NEW})

    assert services.renew_token(now=NOW) is Renewal.DONE

    assert selectors.read_credentials() == Credentials(US, NEW)


def test_the_expiry_of_an_opaque_token_is_read_from_the_response(broker: Broker) -> None:
    store(OLD, now=NOW)
    broker.answer(200, {"accessToken": "an-opaque-new-token", "expiryTime": "2026-11-21T10:00:00.000"})

    services.renew_token(now=NOW)

    # 10:00 IST; the broker omits the time zone.
    assert selectors.get_access_token_status(now=NOW).expires_at == datetime(2026, 11, 21, 4, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"errorType": "Invalid_Authentication", "errorCode": "DH-901", "errorMessage": "invalid or expired"}),
        (500, {"status": 500, "error": "Internal Server Error"}),
        (200, {"status": "error", "message": "Too many attempts"}),
        (200, b"<html>"),
        (200, []),
        (200, {"accessToken": 7}),
    ],
)
def test_a_failed_renewal_is_reported_and_retried_later(broker: Broker, status: int, body: object) -> None:
    store(OLD, now=NOW)
    broker.answer(status, body)

    assert services.renew_token(now=NOW) is Renewal.FAILED

    assert "Renewal failed once" in selectors.get_access_token_status(now=NOW).problem
    assert selectors.read_credentials() == Credentials(US, OLD)
    assert services.renew_token(now=NOW + timedelta(seconds=10)) is Renewal.NOT_DUE
    broker.answer(200, {"accessToken": NEW})
    assert services.renew_token(now=NOW + timedelta(seconds=31)) is Renewal.DONE
    assert selectors.get_access_token_status(now=NOW).problem == ""


def test_no_token_is_requested_when_it_could_not_be_encrypted(broker: Broker, settings: Settings) -> None:
    name_in_environment(settings, OLD)
    settings.TOKEN_KEYS = []

    assert services.renew_token(now=NOW) is Renewal.FAILED

    assert broker.requests == []
    assert "TOKEN_KEYS is not set" in selectors.get_access_token_status(now=NOW).problem


def test_without_a_token_one_is_generated_with_pin_and_totp(broker: Broker, settings: Settings) -> None:
    generate_by_pin(settings)
    broker.answer(200, {"dhanClientId": US, "accessToken": NEW, "expiryTime": "2026-11-21T10:00:00"})

    assert services.renew_token(now=NOW) is Renewal.DONE

    # The expected six digits come from another implementation of RFC 6238.
    assert broker.requests == [(f"/app/generateAccessToken?dhanClientId={US}&pin={PIN}&totp=649921", None)]
    assert selectors.read_credentials() == Credentials(US, NEW)
    assert selectors.get_access_token_status(now=NOW).method == "generated"


def test_generations_are_two_minutes_apart_and_double_while_each_token_is_refused(
    broker: Broker, settings: Settings
) -> None:
    generate_by_pin(settings)
    broker.answer(200, {"accessToken": NEW})
    services.renew_token(now=NOW)
    services.note_refusal(credentials=Credentials(US, NEW), reason="808", now=NOW)

    assert services.renew_token(now=NOW + timedelta(seconds=120)) is Renewal.NOT_DUE
    again = NOW + timedelta(seconds=130)
    assert services.renew_token(now=again) is Renewal.DONE
    services.note_refusal(credentials=Credentials(US, NEW), reason="808", now=again)
    assert services.renew_token(now=again + timedelta(seconds=250)) is Renewal.NOT_DUE
    assert services.renew_token(now=again + timedelta(seconds=260)) is Renewal.DONE


def test_failed_generations_without_a_token_are_two_minutes_apart(broker: Broker, settings: Settings) -> None:
    generate_by_pin(settings)
    broker.answer(400, {"errorCode": "DH-905", "errorMessage": "Invalid TOTP"})
    assert services.renew_token(now=NOW) is Renewal.FAILED

    assert services.renew_token(now=NOW + timedelta(seconds=120)) is Renewal.NOT_DUE
    assert services.renew_token(now=NOW + timedelta(seconds=130)) is Renewal.FAILED
    assert "Renewal failed 2 times" in selectors.get_access_token_status(now=NOW).problem


def test_a_refused_token_is_renewed_once_and_then_only_by_staff(broker: Broker) -> None:
    store(OLD, now=NOW)
    broker.answer(401, {"errorCode": "DH-901", "errorMessage": "invalid or expired"})
    for _ in range(5):
        services.note_refusal(credentials=Credentials(US, OLD), reason="807: access token expired", now=NOW)

    assert services.renew_token(now=NOW) is Renewal.FAILED
    assert services.renew_token(now=NOW + timedelta(minutes=30)) is Renewal.NOT_DUE

    assert len(broker.requests) == 1
    problem = selectors.get_access_token_status(now=NOW).problem
    assert "refused the access token since 20 Nov 10:00:00 IST: 807: access token expired" in problem
    assert "next attempt" not in problem
    store(NEW, now=NOW)
    assert selectors.get_access_token_status(now=NOW).problem == ""


def test_a_refusal_that_a_new_token_cannot_solve_is_reported_without_a_renewal(broker: Broker) -> None:
    store(make_jwt(expires_at=NOW + 20 * HOUR, client_id=US), now=NOW)
    found = selectors.read_credentials()
    assert found is not None
    services.note_refusal(credentials=found, reason="806: the account has no data subscription", now=NOW)

    assert services.renew_token(now=NOW) is Renewal.NOT_DUE

    assert "806: the account has no data subscription" in selectors.get_access_token_status(now=NOW).problem
    assert broker.requests == []


def test_a_refusal_of_a_replaced_token_is_ignored() -> None:
    store(OLD, now=NOW)
    store(NEW, now=NOW)

    services.note_refusal(credentials=Credentials(US, OLD), reason="807", now=NOW)

    assert selectors.get_access_token_status(now=NOW).problem == ""


@pytest.mark.parametrize(
    ("states", "is_deleted"),
    [
        ([ConnectionState.LIVE, ConnectionState.LIVE], True),
        ([ConnectionState.LIVE, ConnectionState.WAITING], False),
        ([], False),
    ],
)
def test_a_refusal_is_deleted_once_every_connection_is_live_with_the_token(
    own_board: str, settings: Settings, broker: Broker, states: Sequence[ConnectionState], is_deleted: bool
) -> None:
    name_in_environment(settings, "a-long-opaque-token")
    broker.answer(503, b"away")
    services.note_refusal(credentials=Credentials(US, "a-long-opaque-token"), reason="refused with 400", now=NOW)
    asyncio.run(report(states))

    assert services.renew_token(now=NOW + timedelta(seconds=29)) is Renewal.FAILED
    assert "refused with 400. Renewal failed once" in selectors.get_access_token_status(now=NOW).problem
    services.renew_token(now=NOW + timedelta(seconds=31))

    assert (selectors.get_access_token_status(now=NOW).problem == "") is is_deleted
    assert len(broker.requests) == 1


def test_a_refusal_remains_while_redis_cannot_show_live_connections(settings: Settings, broker: Broker) -> None:
    name_in_environment(settings, "a-long-opaque-token")
    broker.answer(503, b"away")
    services.note_refusal(credentials=Credentials(US, "a-long-opaque-token"), reason="refused with 400", now=NOW)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    services.renew_token(now=NOW + timedelta(seconds=31))

    assert "refused with 400" in selectors.get_access_token_status(now=NOW).problem


def test_a_token_that_cannot_be_decrypted_is_not_renewed(settings: Settings, broker: Broker) -> None:
    store(OLD, now=NOW)
    settings.TOKEN_KEYS = [Fernet.generate_key().decode()]

    assert services.renew_token(now=NOW) is Renewal.FAILED
    assert broker.requests == []


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


def test_the_schedule_contains_the_renewal_task_and_the_task_renews(broker: Broker, settings: Settings) -> None:
    row = PeriodicTask.objects.get(task=renew_broker_token.name)
    assert (row.interval.every, row.interval.period, row.queue, row.expire_seconds) == (10, "seconds", "default", 10)
    name_in_environment(settings, make_jwt(expires_at=timezone.now() + HOUR, client_id=US))
    broker.answer(200, {"accessToken": make_jwt(expires_at=timezone.now() + 24 * HOUR, client_id=US)})

    renew_broker_token()

    assert selectors.get_access_token_status(now=timezone.now()).method == "renewed"


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


async def report(states: Sequence[ConnectionState]) -> None:
    """Publish a report of each connection to the board."""
    async with redis.asyncio.Redis.from_url(django_settings.REDIS_URL) as client:
        for number, state in enumerate(states, start=1):
            await FramePublisher(client, django_settings.REDIS_PREFIX, connection=number).report(state)
