"""The account whose token is looked after, in tests: its keys, its broker on loopback, and a token stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from cryptography.fernet import Fernet
from pytest_django import Settings

from marketdata import services
from marketdata.models import BrokerSession
from tests.brokers import Broker, running_broker

NOW = datetime(2026, 11, 20, 4, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
US = "1000000001"
KEY = Fernet.generate_key().decode()


@contextmanager
def broker_of_ours(settings: Settings) -> Iterator[Broker]:
    """Give a broker that settings point at, with a key to store tokens and no token anywhere yet."""
    settings.TOKEN_KEYS = [KEY]
    settings.DHAN_CLIENT_ID = settings.DHAN_ACCESS_TOKEN = ""
    settings.DHAN_PIN = settings.DHAN_TOTP_SECRET = ""
    settings.TOKEN_RENEW_MARGIN_MIN = 120
    with running_broker() as broker:
        settings.DHAN_REST_URL = settings.DHAN_AUTH_URL = broker.url
        yield broker


def store(token: str, *, now: datetime) -> BrokerSession:
    """Enter a token as staff."""
    return services.store_token(client_id=US, access_token=token, stored_by="staff", now=now)
