"""The broker account of the token tests: encryption keys, a broker on loopback, and a function that stores a token."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from cryptography.fernet import Fernet
from pytest_django import Settings

from marketdata import services
from marketdata.models import BrokerSession
from tests.brokers import Broker, running_broker
from tests.jwts import make_jwt

NOW = datetime(2026, 11, 20, 4, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
US = "1000000001"
KEY = Fernet.generate_key().decode()
OLD = make_jwt(expires_at=NOW + HOUR, client_id=US, signature="the-old-one-aaaa")
NEW = make_jwt(expires_at=NOW + 24 * HOUR, client_id=US, signature="the-new-one-bbbb")
PIN, TOTP_SECRET = "428913", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@contextmanager
def running_account_broker(settings: Settings) -> Iterator[Broker]:
    """Yield a broker at the URL of the settings, with a key to store tokens and without a stored token."""
    settings.TOKEN_KEYS = [KEY]
    settings.DHAN_CLIENT_ID = settings.DHAN_ACCESS_TOKEN = ""
    settings.DHAN_PIN = settings.DHAN_TOTP_SECRET = ""
    settings.TOKEN_RENEW_MARGIN_MIN = 120
    with running_broker() as broker:
        settings.DHAN_REST_URL = settings.DHAN_AUTH_URL = broker.url
        yield broker


def make_profile(**changed: object) -> dict[str, object]:
    """Return the broker's answer about a valid token, as it was recorded, of this account."""
    return {
        "dhanClientId": US,
        "tokenValidity": "31/12/2099 23:59",
        "activeSegment": "Equity, Derivative, Currency, Commodity",
        "ddpi": "Active",
        "mtf": "Active",
        "dataPlan": "Active",
        "dataValidity": "2099-12-05 09:37:52.0",
    } | changed


def store(token: str, *, now: datetime) -> BrokerSession:
    """Store a token as staff do."""
    return services.store_token(client_id=US, access_token=token, stored_by="staff", now=now)


def name_in_environment(settings: Settings, token: str) -> None:
    """Set the token of the environment."""
    settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = US, token


def generate_by_pin(settings: Settings) -> None:
    """Set PIN and TOTP secret, with which tokens are generated."""
    settings.DHAN_CLIENT_ID, settings.DHAN_PIN, settings.DHAN_TOTP_SECRET = US, PIN, TOTP_SECRET
