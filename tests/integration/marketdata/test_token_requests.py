"""Requests for a new access token: renewal before the expiry, generation by PIN, waits after failures, refusals."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
import redis.asyncio
from cryptography.fernet import Fernet
from django.conf import settings as django_settings
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from pytest_django import Settings

from marketdata import selectors, services
from marketdata.dhan.credentials import Credentials
from marketdata.domain.feed import ConnectionState
from marketdata.services import Renewal
from marketdata.tasks import renew_broker_token
from tests.brokers import Broker
from tests.integration.marketdata.broker_accounts import (
    HOUR,
    NEW,
    NOW,
    OLD,
    PIN,
    US,
    generate_by_pin,
    name_in_environment,
    running_account_broker,
    store,
)
from tests.integration.marketdata.streaming.frame_publishers import FramePublisher
from tests.jwts import make_jwt

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def broker(settings: Settings) -> Iterator[Broker]:
    with running_account_broker(settings) as broker:
        yield broker


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


def test_a_token_that_cannot_be_decrypted_is_not_renewed(settings: Settings, broker: Broker) -> None:
    store(OLD, now=NOW)
    settings.TOKEN_KEYS = [Fernet.generate_key().decode()]

    assert services.renew_token(now=NOW) is Renewal.FAILED
    assert broker.requests == []


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


async def report(states: Sequence[ConnectionState]) -> None:
    """Publish a report of each connection to the board."""
    async with redis.asyncio.Redis.from_url(django_settings.REDIS_URL) as client:
        for number, state in enumerate(states, start=1):
            await FramePublisher(client, django_settings.REDIS_PREFIX, connection=number).report(state)


def test_the_schedule_contains_the_renewal_task_and_the_task_renews(broker: Broker, settings: Settings) -> None:
    row = PeriodicTask.objects.get(task=renew_broker_token.name)
    assert (row.interval.every, row.interval.period, row.queue, row.expire_seconds) == (10, "seconds", "default", 10)
    name_in_environment(settings, make_jwt(expires_at=timezone.now() + HOUR, client_id=US))
    broker.answer(200, {"accessToken": make_jwt(expires_at=timezone.now() + 24 * HOUR, client_id=US)})

    renew_broker_token()

    assert selectors.get_access_token_status(now=timezone.now()).method == "renewed"
