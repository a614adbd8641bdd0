"""States that last until a person acts are logged as ERROR, and the attempts before as WARNING."""

from collections.abc import Iterator, Sequence

import pytest
from django.utils import timezone
from pytest_django import Settings

from marketdata import services
from marketdata.dhan.credentials import Credentials
from tests.brokers import Broker
from tests.factories import NOW
from tests.integration.marketdata.broker_accounts import HOUR, US, running_account_broker, store
from tests.jwts import make_jwt

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broker(settings: Settings) -> Iterator[Broker]:
    with running_account_broker(settings) as broker:
        yield broker


def list_levels(caplog: pytest.LogCaptureFixture, text: str) -> Sequence[str]:
    """Return the levels of the lines that contain `text`, in order."""
    return [one.levelname for one in caplog.records if text in one.getMessage()]


def test_the_third_failed_renewal_in_a_row_calls_for_a_person(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    now = timezone.now()
    store(make_jwt(expires_at=now + HOUR, client_id=US), now=now)
    broker.answer(500, {})

    for attempt in range(3):
        services.renew_token(now=now + attempt * HOUR / 4)

    assert list_levels(caplog, "renewal of the access token failed") == ["WARNING", "WARNING", "ERROR"]


@pytest.mark.parametrize(
    ("pin", "reason", "level"),
    [
        ("", "809: the access token is invalid", "ERROR"),
        ("123456", "809: the access token is invalid", "WARNING"),
        ("123456", "806: the account has no data subscription", "ERROR"),
    ],
)
def test_a_refused_token_calls_for_a_person_unless_another_one_is_generated(
    broker: Broker, settings: Settings, caplog: pytest.LogCaptureFixture, pin: str, reason: str, level: str
) -> None:
    settings.DHAN_PIN, settings.DHAN_CLIENT_ID = pin, US
    token = make_jwt(expires_at=timezone.now() + 9 * HOUR, client_id=US)
    store(token, now=timezone.now())

    for _ in range(5):  # the owners of five connections
        services.note_refusal(credentials=Credentials(US, token), reason=reason, now=timezone.now())

    assert list_levels(caplog, "broker refuses the access token") == [level]


def test_a_refused_import_calls_for_a_person(caplog: pytest.LogCaptureFixture) -> None:
    services.import_instruments(source="/nowhere.csv", now=NOW)

    assert list_levels(caplog, "instrument import refused") == ["ERROR"]
